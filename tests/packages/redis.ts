export * from "npm:@redis/client@6.3.1";
