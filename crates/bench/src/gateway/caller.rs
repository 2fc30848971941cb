//! Who sends requests over one connection, one after the other, and looks at the answers.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use farthing_client::payer::Reservation;
use farthing_protocol::{BaseUnits, Voucher};
use farthing_wire::idempotency::{IDEMPOTENCY_KEY, IdempotencyKey};
use farthing_wire::x402::{
    PAYMENT_REQUIRED, PAYMENT_RESPONSE, PAYMENT_SIGNATURE, PaymentRequired, PaymentState,
    ReceiptExtra, SettleResponse, decode_header,
};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HOST, HeaderMap, HeaderValue};
use hyper::{Method, Request, StatusCode};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};
use solana_sdk::pubkey::Pubkey;
use solana_sdk::signature::Keypair;
use solana_sdk::signer::Signer;

use super::Result;
use super::swarm::SwarmLane;
use farthing_tests::payment;

/// A request, again and again.
pub type Template = Request<Full<Bytes>>;

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// # Errors
    /// If the status is another one.
    fn expect(&self, status: StatusCode) -> Result<()> {
        if self.status == status {
            return Ok(());
        }
        let body = String::from_utf8_lossy(&self.body);
        Err(format!("the answer is {} and not {status}: {body}", self.status).into())
    }

    /// The first way to pay.
    ///
    /// # Errors
    /// If the answer is no 402, or tells none.
    pub fn offer(&self) -> Result<WayToPay> {
        self.expect(StatusCode::PAYMENT_REQUIRED)?;
        let required: Option<PaymentRequired> = payment::told(&self.headers, PAYMENT_REQUIRED);
        let first = required.and_then(|required| required.accepts.into_iter().next());
        let first = first.ok_or("a 402 offers no way to pay")?;
        Ok(WayToPay {
            amount: first.amount,
            settler: first.escrow_extra().ok().map(|extra| extra.settler),
            json: to_raw_value(&first.without_details())?,
        })
    }
}

/// A way to pay.
#[derive(Debug)]
pub struct WayToPay {
    /// The most that the request can cost.
    amount: BaseUnits,
    /// Who signs receipts; peers have none.
    settler: Option<Pubkey>,
    /// As clients send it back.
    json: Box<RawValue>,
}

/// Who sends requests over one connection.
pub trait Caller: Send {
    /// Signs payments for so many requests, so that this is not measured. It may be asked for more.
    ///
    /// # Errors
    /// If it cannot pay as much.
    fn prepare(&mut self, requests: usize) -> Result<()>;

    /// The next request.
    ///
    /// # Errors
    /// If there cannot be another one.
    fn request(&mut self) -> Result<Template>;

    /// Takes its answer.
    ///
    /// # Errors
    /// If it is not what was asked for.
    fn answered(&mut self, answer: Answer) -> Result<()>;

    /// Verifies and books the receipts of all answers, when nothing is measured any more.
    ///
    /// # Errors
    /// If one is missing, or says what cannot be.
    fn book(&mut self) -> Result<()>;
}

/// A request with a body, or without.
///
/// # Panics
/// If `path` is none.
#[must_use]
pub fn template(method: Method, host: &str, path: &str, body: Option<&Value>) -> Template {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(HOST, host);
    let bytes = body.map(Value::to_string).unwrap_or_default();
    let request = match body {
        Some(_) => request.header(CONTENT_TYPE, "application/json"),
        None => request,
    };
    request
        .body(Full::from(bytes))
        .expect("a well-formed request")
}

/// Sends the same request all the time and pays for none, or not in a way that anybody would accept.
pub struct Unpaid {
    template: Template,
    expected: StatusCode,
}

impl Unpaid {
    /// A caller whose answers have this status.
    #[must_use]
    pub fn new(template: Template, expected: StatusCode) -> Self {
        Self { template, expected }
    }

    /// A caller whose voucher was signed by somebody else.
    ///
    /// # Errors
    /// If the lane cannot pay as much as is asked for.
    pub fn forging(mut template: Template, mut lane: SwarmLane, offer: &WayToPay) -> Result<Self> {
        let (mut signed, _) = lane.payer.next_voucher(offer.amount, &lane.key)?;
        let stranger = Keypair::new();
        signed.signature = stranger.sign_message(&signed.voucher.to_bytes());
        let header = payment::header(&offer.json, &payment::payload(lane.channel, &signed));
        template
            .headers_mut()
            .insert(PAYMENT_SIGNATURE, header.parse()?);
        Ok(Self::new(template, StatusCode::PAYMENT_REQUIRED))
    }
}

impl Caller for Unpaid {
    fn prepare(&mut self, _: usize) -> Result<()> {
        Ok(())
    }

    fn request(&mut self) -> Result<Template> {
        Ok(self.template.clone())
    }

    fn answered(&mut self, answer: Answer) -> Result<()> {
        answer.expect(self.expected)
    }

    fn book(&mut self) -> Result<()> {
        Ok(())
    }
}

/// Pays for every request with a voucher of its own, and books every receipt, as an agent does.
pub struct Paying {
    template: Template,
    offer: Arc<WayToPay>,
    lane: SwarmLane,
    with_key: bool,
    prepared: VecDeque<(HeaderValue, Reservation)>,
    in_flight: Option<Reservation>,
    answers: Vec<Told>,
    /// Copies of the answers' headers, which themselves would keep everything that was read with them. Its memory is
    /// kept from turn to turn, so that the agent's own is not measured.
    headers: Vec<u8>,
}

/// What an answer tells of its payment.
struct Told {
    reservation: Reservation,
    /// Where its header is.
    header: Range<usize>,
    /// That of a stream ends with the receipt.
    stream: Option<Vec<u8>>,
}

impl Paying {
    /// A caller with a lane, which sends a key with every request or none.
    #[must_use]
    pub fn new(template: Template, offer: Arc<WayToPay>, lane: SwarmLane, with_key: bool) -> Self {
        Self {
            template,
            offer,
            lane,
            with_key,
            prepared: VecDeque::new(),
            in_flight: None,
            answers: Vec::new(),
            headers: Vec::new(),
        }
    }

    fn sign(&mut self) -> Result<(HeaderValue, Reservation)> {
        let SwarmLane {
            channel,
            payer,
            key,
        } = &mut self.lane;
        let (signed, reservation) = payer.next_voucher(self.offer.amount, key)?;
        let payload = payment::payload(*channel, &signed);
        let header = payment::header(&self.offer.json, &payload).parse()?;
        Ok((header, reservation))
    }
}

impl Caller for Paying {
    fn prepare(&mut self, requests: usize) -> Result<()> {
        for _ in 0..requests {
            let signed = self.sign()?;
            self.prepared.push_back(signed);
        }
        Ok(())
    }

    fn request(&mut self) -> Result<Template> {
        let prepared = self.prepared.pop_front();
        let (header, reservation) = prepared.map_or_else(|| self.sign(), Ok)?;
        self.in_flight = Some(reservation);
        let mut request = self.template.clone();
        let headers = request.headers_mut();
        headers.insert(PAYMENT_SIGNATURE, header);
        if self.with_key {
            let key = IdempotencyKey::random();
            headers.insert(IDEMPOTENCY_KEY, key.as_str().parse()?);
        }
        Ok(request)
    }

    fn answered(&mut self, answer: Answer) -> Result<()> {
        answer.expect(StatusCode::OK)?;
        let reservation = self.in_flight.take().ok_or("nothing is in flight")?;
        let header = answer.headers.get(PAYMENT_RESPONSE);
        let header = header.ok_or("a paid answer has no receipt")?;
        let begin = self.headers.len();
        self.headers.extend_from_slice(header.as_bytes());
        let kind = answer.headers.get(CONTENT_TYPE);
        let is_stream = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
        self.answers.push(Told {
            reservation,
            header: begin..self.headers.len(),
            stream: is_stream.then_some(answer.body),
        });
        Ok(())
    }

    fn book(&mut self) -> Result<()> {
        for told in self.answers.drain(..) {
            let outcome: SettleResponse = decode_header(&self.headers[told.header])?;
            let mut receipt = outcome.extra.ok_or("a paid answer has no receipt")?;
            if receipt.state == PaymentState::Reserved {
                let stream = told.stream.ok_or("a paid answer is only reserved")?;
                let last = payment::stream_receipt(&stream).and_then(|outcome| outcome.extra);
                receipt = last.ok_or("a paid stream has no receipt")?;
            }
            verify_receipt(&receipt, &self.offer, &self.lane)?;
            self.lane.payer.settled(told.reservation, &receipt)?;
        }
        self.headers.clear();
        for (_, unsent) in self.prepared.drain(..) {
            self.lane.payer.refused(unsent);
        }
        Ok(())
    }
}

/// Checks that the settler signed what the answer says, as an agent does that keeps its receipts.
fn verify_receipt(receipt: &ReceiptExtra, offer: &WayToPay, lane: &SwarmLane) -> Result<()> {
    let settler = offer.settler.ok_or("an offer names no settler")?;
    let token = receipt
        .receipt
        .as_deref()
        .ok_or("a receipt is not signed")?;
    let claims = farthing_wire::receipt::verify(token, &settler)?;
    let identity = lane.payer.identity();
    let says_the_same = claims.sub == identity.signer
        && claims.domain == identity.domain
        && claims.charged == receipt.charged
        && claims.charged_total == receipt.charged_total;
    if says_the_same {
        Ok(())
    } else {
        Err("a signed receipt says something else than its answer".into())
    }
}

/// Pays a peer: an Ed25519 signature of as many bytes as a voucher has, another one for each request.
pub struct PayingPeer {
    template: Template,
    offer: Arc<WayToPay>,
    lane: SwarmLane,
    signed: u64,
    prepared: VecDeque<HeaderValue>,
}

impl PayingPeer {
    /// A caller with a lane's key.
    #[must_use]
    pub fn new(template: Template, offer: Arc<WayToPay>, lane: SwarmLane) -> Self {
        Self {
            template,
            offer,
            lane,
            signed: 0,
            prepared: VecDeque::new(),
        }
    }

    fn sign(&mut self) -> Result<HeaderValue> {
        let SwarmLane { payer, key, .. } = &self.lane;
        let identity = payer.identity();
        self.signed += 1;
        let voucher = Voucher {
            domain: identity.domain,
            lane: identity.lane,
            generation: identity.generation,
            authorized: BaseUnits(self.signed),
        };
        let voucher = voucher.to_bytes();
        let payload = json!({
            "voucher": BASE64_STANDARD.encode(voucher),
            "signer": key.pubkey().to_string(),
            "signature": key.sign_message(&voucher).to_string(),
        });
        Ok(payment::header(&self.offer.json, &payload).parse()?)
    }
}

impl Caller for PayingPeer {
    fn prepare(&mut self, requests: usize) -> Result<()> {
        for _ in 0..requests {
            let header = self.sign()?;
            self.prepared.push_back(header);
        }
        Ok(())
    }

    fn request(&mut self) -> Result<Template> {
        let prepared = self.prepared.pop_front();
        let header = prepared.map_or_else(|| self.sign(), Ok)?;
        let mut request = self.template.clone();
        request.headers_mut().insert(PAYMENT_SIGNATURE, header);
        Ok(request)
    }

    fn answered(&mut self, answer: Answer) -> Result<()> {
        answer.expect(StatusCode::OK)
    }

    fn book(&mut self) -> Result<()> {
        self.prepared.clear();
        Ok(())
    }
}
