/** The suite for a broker behind a daemon: a real process, a real socket. */
import { connect } from "../../../mod.ts";
import { startDaemon } from "../../helpers/daemon.ts";
import { brokerSuite } from "./suite.ts";

brokerSuite({
  name: "RemoteBroker",
  async open() {
    const daemon = await startDaemon();
    const errors: unknown[] = [];
    const { socket } = daemon;
    const make = () => connect({ socket, onError: (error) => errors.push(error), onNotice() {} });
    let broker = await make();
    return {
      broker,
      errors,
      async reopen() {
        await broker.close();
        return broker = await make();
      },
      async [Symbol.asyncDispose]() {
        await broker.close();
        await daemon[Symbol.asyncDispose]();
      },
    };
  },
});
