/**
 * A server that sells `GET /weather` with the published packages. Its facilitator is within the process and says yes
 * to everything: it does no cryptography, knows no account, asks no chain and keeps nothing.
 */

import { createServer } from "node:http";

import { paymentMiddleware, x402ResourceServer } from "@x402/express";
import express from "express";

/** Solana devnet. */
const NETWORK = "solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1";
const SCHEME = "exact";
/** 1,000 base units of USDC on devnet. */
const PRICE = { asset: "4zMMC9srt5Ri5X14GAgXhaHii3GnPAEERYPJgZJDncDU", amount: "1000" };
const PAY_TO = "8qbHbw2BbbTHBW1sbeqakYXVKRQM8Ne7pLK7m6CVfeR9";
/** Who would pay the transaction's fee. The scheme wants one named. */
const FEE_PAYER = "CktRuQ2mttgRGkXJtyksdKHjUdc2C4TgDzyB98oEzy8";
const MAX_TIMEOUT_SECONDS = 60;
/** Connections that wait to be accepted. */
const BACKLOG = 1_024;
/** Longer than a benchmark leaves a connection idle. */
const KEEP_ALIVE_MS = 600_000;

const facilitator = {
  verify: async () => ({ isValid: true }),
  settle: async () => ({ success: true, transaction: "", network: NETWORK }),
  getSupported: async () => ({
    kinds: [{ x402Version: 2, scheme: SCHEME, network: NETWORK, extra: { feePayer: FEE_PAYER } }],
    extensions: [],
    signers: {},
  }),
};

/** The seller's half of `exact`, as the package for Solana has it. */
const exact = {
  scheme: SCHEME,
  defaultAssetTransferMethod: "default",
  paymentFlows: { default: { supported: ["authorization"], default: "authorization" } },
  parsePrice: async (price) => ({ ...price, extra: {} }),
  enhancePaymentRequirements: async (requirements, { extra }) => ({
    ...requirements,
    extra: { ...requirements.extra, ...extra },
  }),
};

const resources = new x402ResourceServer(facilitator).register(NETWORK, exact);
const accepts = {
  scheme: SCHEME,
  network: NETWORK,
  payTo: PAY_TO,
  price: PRICE,
  maxTimeoutSeconds: MAX_TIMEOUT_SECONDS,
};

const app = express();
// What nobody asked for costs time.
app.disable("etag");
app.disable("x-powered-by");
app.use(paymentMiddleware({ "GET /weather": { accepts } }, resources));
app.get("/weather", (_request, response) => {
  response.json({ weather: "sunny" });
});

const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS, noDelay: true }, app);
server.listen({ host: "127.0.0.1", port: 0, backlog: BACKLOG }, () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`);
});

// Whoever started this process ends it by closing its standard input.
process.stdin.on("end", () => process.exit()).resume();
