/**
 * The x402 scheme `prepaid-escrow` for servers that sell with the published packages (`@x402/core` 2.27).
 *
 *     new x402ResourceServer(facilitator).register(network, new PrepaidEscrowScheme(facilitator))
 *
 * Copy this file, or import it. One object serves one facilitator.
 */

import { SettleError } from "@x402/core/types";

/** USDC, by network. */
const USDC = {
  "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp": "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v",
  "solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1": "4zMMC9srt5Ri5X14GAgXhaHii3GnPAEERYPJgZJDncDU",
};
const USDC_DECIMALS = 6;

/** Where a lane's key asks for its lane's state. */
export const LANE_STATE = "/x402/channels/:channel/lanes/:lane";

/**
 * Passes such a question on to the verifier, for clients that lost an answer or begin anew:
 *
 *     app.get(LANE_STATE, laneState(url))
 */
export function laneState(url) {
  return async (request, response) => {
    const signature = request.get("farthing-signature") ?? "";
    const headers = { "farthing-signature": signature };
    const answer = await fetch(url + request.originalUrl, { headers });
    response.status(answer.status).set("Cache-Control", "no-store").type("json");
    response.send(await answer.text());
  };
}

export class PrepaidEscrowScheme {
  scheme = "prepaid-escrow";

  /** Verify before the handler, which reserves; settle after it, which charges that or less. */
  defaultAssetTransferMethod = "default";
  paymentFlows = { default: { supported: ["authorization"], default: "authorization" } };

  /** What the facilitator tells the client of a refused payment, until its 402 is written. */
  #told = new WeakMap();

  constructor(facilitator) {
    this.schemeHooks = {
      onAfterVerify: async ({ paymentPayload, result }) => {
        if (!result.isValid && result.extra) this.#told.set(paymentPayload, result.extra);
      },
      // The handler failed: nothing is charged, and what was reserved is released now instead of later.
      onVerifiedPaymentCanceled: async ({ paymentPayload, requirements }) => {
        await facilitator.settle(paymentPayload, { ...requirements, amount: "0" });
      },
      // The answer was lost. To ask again is safe: a payment is charged once.
      onSettleFailure: async ({ error, paymentPayload, requirements }) => {
        if (error instanceof SettleError) return undefined;
        return { recovered: true, result: await facilitator.settle(paymentPayload, requirements) };
      },
    };
  }

  /** A price is `"$0.001"`, `0.001` or `{ asset, amount }` in base units. */
  async parsePrice(price, network) {
    if (typeof price === "object") return { ...price, extra: price.extra ?? {} };
    const [, whole, fraction = ""] = /^\$?(\d+)(?:\.(\d{1,6}))?$/.exec(String(price).trim()) ?? [];
    if (whole === undefined) {
      throw new Error(`"${price}" is no price in USDC with at most ${USDC_DECIMALS} decimal places`);
    }
    const asset = USDC[network];
    if (!asset) throw new Error(`no USDC is known on ${network}: give { asset, amount }`);
    const amount = BigInt(whole + fraction.padEnd(USDC_DECIMALS, "0"));
    return { asset, amount: amount.toString(), extra: {} };
  }

  getAssetDecimals(asset, network) {
    return asset === USDC[network] ? USDC_DECIMALS : undefined;
  }

  /** The program, the settler and the least channel are the facilitator's. */
  async enhancePaymentRequirements(requirements, supportedKind) {
    return { ...requirements, extra: { ...requirements.extra, ...supportedKind.extra } };
  }

  /** Lets a client whose voucher was refused sign a better one. */
  async enrichPaymentRequiredResponse({ requirements, paymentPayload }) {
    const told = paymentPayload && this.#told.get(paymentPayload);
    if (!told) return undefined;
    const { network } = paymentPayload.accepted;
    return requirements.map((way) =>
      way.scheme === this.scheme && way.network === network
        ? { ...way, extra: { ...way.extra, ...told } }
        : way,
    );
  }
}
