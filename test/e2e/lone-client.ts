/** One well-behaved client as a process of its own, to be put into another network: it connects to HOST and TARGET_PORT and stays. */
import { RawClient } from '../support/clients/raw-client.js';

const { HOST = '127.0.0.1', TARGET_PORT } = process.env;
await RawClient.opened({ host: HOST, port: Number(TARGET_PORT) });
