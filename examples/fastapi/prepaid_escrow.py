"""The x402 scheme `prepaid-escrow` for servers that sell with the published package (`x402` 2.25).

    facilitator = PrepaidEscrowFacilitator(FacilitatorConfig(url=…, auth_provider=…))
    x402ResourceServer(facilitator).register(network, PrepaidEscrowScheme(facilitator))

Copy this file, or import it. One object serves one facilitator.
"""

import re
from contextvars import ContextVar

import httpx
from fastapi import Request, Response
from x402.http import HTTPFacilitatorClient
from x402.schemas import AssetAmount

USDC = {
    "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp": "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v",
    "solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1": "4zMMC9srt5Ri5X14GAgXhaHii3GnPAEERYPJgZJDncDU",
}
USDC_DECIMALS = 6
PRICE = re.compile(r"\$?(\d+)(?:\.(\d{1,6}))?")

# What the facilitator tells the client of a refused payment, within the request that brought it.
told = ContextVar("told", default=None)


# Where a lane's key asks for its lane's state.
LANE_STATE = "/x402/channels/{channel}/lanes/{lane}"


class PrepaidEscrowFacilitator(HTTPFacilitatorClient):
    async def verify(self, payload, requirements):
        result = await super().verify(payload, requirements)
        told.set(None if result.is_valid else result.extra)
        return result

    async def settle(self, payload, requirements):
        """Asks again if the answer was lost. That is safe: a payment is charged once."""
        try:
            return await super().settle(payload, requirements)
        except httpx.TransportError:
            return await super().settle(payload, requirements)

    async def lane_state(self, request: Request) -> Response:
        """Passes a lane's question on to the verifier, for clients that lost an answer or begin anew:

        app.get(LANE_STATE)(facilitator.lane_state)
        """
        url = httpx.URL(self.url + request.url.path, query=request.url.query.encode())
        headers = {"farthing-signature": request.headers.get("farthing-signature", "")}
        async with httpx.AsyncClient() as client:
            answer = await client.get(url, headers=headers)
        headers = {"cache-control": "no-store"}
        return Response(answer.content, answer.status_code, headers, "application/json")


class PrepaidEscrowScheme:
    scheme = "prepaid-escrow"
    # Verify before the handler, which reserves; settle after it, which charges that or less.
    default_asset_transfer_method = "default"
    payment_flows = {"default": {"supported": ("authorization",), "default": "authorization"}}

    def __init__(self, facilitator):
        self._facilitator = facilitator

    def parse_price(self, price, network):
        """A price is `"$0.001"`, `0.001`, or an `AssetAmount` in base units."""
        if isinstance(price, AssetAmount):
            return price
        match = PRICE.fullmatch(str(price).strip())
        if not match:
            raise ValueError(f"{price!r} is no price in USDC with at most {USDC_DECIMALS} decimal places")
        if network not in USDC:
            raise ValueError(f"no USDC is known on {network}: give an AssetAmount")
        whole, fraction = match.groups(default="")
        amount = int(whole + fraction.ljust(USDC_DECIMALS, "0"))
        return AssetAmount(amount=str(amount), asset=USDC[network])

    def enhance_payment_requirements(self, requirements, supported_kind, extensions):
        """The program, the settler and the least channel are the facilitator's."""
        return with_extra(requirements, supported_kind.extra)

    def enrich_payment_required_response(self, context):
        """Lets a client whose voucher was refused sign a better one."""
        return [
            with_extra(way, told.get()) if way.scheme == self.scheme else way
            for way in context.requirements
        ]

    async def on_verified_payment_canceled(self, context):
        """The handler failed: nothing is charged, and what was reserved is released now instead of later."""
        nothing = context.requirements.model_copy(update={"amount": "0"})
        await self._facilitator.settle(context.payment_payload, nothing)


def with_extra(way, extra):
    return way.model_copy(update={"extra": {**(way.extra or {}), **(extra or {})}})
