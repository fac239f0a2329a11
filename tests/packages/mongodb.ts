export * from "npm:mongodb@7.8.0";
