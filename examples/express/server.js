/** Sells the weather: a report for a fixed price, a forecast by the day. */

import { HTTPFacilitatorClient } from "@x402/core/server";
import { paymentMiddleware, setSettlementOverrides, x402ResourceServer } from "@x402/express";
import express from "express";

import { LANE_STATE, PrepaidEscrowScheme, laneState } from "./prepaid-escrow.js";

const DEVNET = "solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1";
const { FACILITATOR_URL, FACILITATOR_TOKEN, PAY_TO, NETWORK = DEVNET, PORT = "4021" } = process.env;
const REPORTS = { london: "rain", lisbon: "sun" };
const MAX_DAYS = 10;

const authorization = { Authorization: `Bearer ${FACILITATOR_TOKEN}` };
const facilitator = new HTTPFacilitatorClient({
  url: FACILITATOR_URL,
  createAuthHeaders: async () => ({ verify: authorization, settle: authorization }),
});
const resources = new x402ResourceServer(facilitator).register(
  NETWORK,
  new PrepaidEscrowScheme(facilitator),
);
const costs = (price) => ({
  accepts: { scheme: "prepaid-escrow", network: NETWORK, payTo: PAY_TO, price },
});

const app = express();
app.use(
  paymentMiddleware({ "GET /weather": costs("$0.001"), "GET /forecast": costs("$0.01") }, resources),
);

app.get(LANE_STATE, laneState(FACILITATOR_URL));

// An answer with an error status costs nothing.
app.get("/weather", ({ query }, response) => {
  const report = REPORTS[String(query.city ?? "london").toLowerCase()];
  if (!report) return response.status(404).json({ error: "no such city" });
  return response.json({ report });
});

// Up to $0.01, by the day.
app.get("/forecast", ({ query }, response) => {
  const days = Math.min(Math.max(Math.trunc(Number(query.days)) || 1, 1), MAX_DAYS);
  setSettlementOverrides(response, { amount: String(days * 1_000) });
  response.json({ reports: Array(days).fill("rain") });
});

const server = app.listen(Number(PORT), "127.0.0.1", (error) => {
  if (error) throw error;
  console.log(`listening on http://127.0.0.1:${server.address().port}`);
});
