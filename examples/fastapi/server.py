"""Sells the weather: a report for a fixed price, a forecast by the day."""

import os
import socket

import uvicorn
from fastapi import FastAPI, HTTPException, Response
from x402 import x402ResourceServer
from x402.http import AuthHeaders, FacilitatorConfig
from x402.http.middleware.fastapi import payment_middleware, set_settlement_overrides

from prepaid_escrow import LANE_STATE, PrepaidEscrowFacilitator, PrepaidEscrowScheme

DEVNET = "solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1"
NETWORK = os.environ.get("NETWORK", DEVNET)
REPORTS = {"london": "rain", "lisbon": "sun"}
MAX_DAYS = 10


class Token:
    def get_auth_headers(self):
        header = {"Authorization": f"Bearer {os.environ['FACILITATOR_TOKEN']}"}
        return AuthHeaders(verify=header, settle=header)


facilitator = PrepaidEscrowFacilitator(
    FacilitatorConfig(url=os.environ["FACILITATOR_URL"], auth_provider=Token())
)
resources = x402ResourceServer(facilitator).register(NETWORK, PrepaidEscrowScheme(facilitator))


def costs(price):
    way = {"scheme": "prepaid-escrow", "network": NETWORK, "payTo": os.environ["PAY_TO"], "price": price}
    return {"accepts": way}


app = FastAPI()
app.middleware("http")(
    payment_middleware({"GET /weather": costs("$0.001"), "GET /forecast": costs("$0.01")}, resources)
)


app.get(LANE_STATE)(facilitator.lane_state)


@app.get("/weather")
async def weather(city: str = "london"):
    """An answer with an error status costs nothing."""
    if city.lower() not in REPORTS:
        raise HTTPException(404, "no such city")
    return {"report": REPORTS[city.lower()]}


@app.get("/forecast")
async def forecast(response: Response, days: int = 1):
    """Up to $0.01, by the day."""
    days = min(max(days, 1), MAX_DAYS)
    set_settlement_overrides(response, {"amount": str(days * 1_000)})
    return {"reports": ["rain"] * days}


if __name__ == "__main__":
    listener = socket.create_server(("127.0.0.1", int(os.environ.get("PORT", "4022"))))
    print(f"listening on http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])
