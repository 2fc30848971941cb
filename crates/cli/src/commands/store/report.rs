//! Results of `farthing store`.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use farthing_protocol::{BaseUnits, Domain, Generation, LaneIndex};
use farthing_verifier::record::audit::Finding;
use farthing_verifier::record::{LaneKey, SettlementRecord, StoredState};
use farthing_verifier::store::{Counts, ExportSummary};
use farthing_wire::amount::Usdc;
use serde::Serialize;
use solana_sdk::pubkey::Pubkey;

use crate::output::{facts, table};

/// Result of `store inspect`.
#[derive(Debug, Serialize)]
pub(super) struct Inspected {
    store: String,
    file_bytes: u64,
    counts: Counts,
    /// Whether the store was imported from an export and must be reconciled before a verifier serves from it.
    is_imported: bool,
    /// Sum of the lanes' charges. Of a lane with several generations the highest counts, since counters carry on.
    charged: u64,
    /// Sum of the maxima of the in-flight requests.
    reserved: u64,
    lanes: Vec<InspectedLane>,
    settlements: Vec<InspectedSettlement>,
}

#[derive(Debug, Serialize)]
struct InspectedLane {
    /// `None` if the store does not know the channel, which `store check` reports.
    channel: Option<String>,
    domain: String,
    lane: u16,
    generation: u16,
    authorized: u64,
    charged: u64,
    reserved: u64,
    floor: u64,
    used_values: u64,
    requests_in_flight: u64,
}

#[derive(Debug, Serialize)]
struct InspectedSettlement {
    signature: String,
    channel: String,
    last_valid_block_height: u64,
    claims: usize,
    owed: u64,
}

#[derive(Debug, Default)]
struct InFlight {
    used_values: u64,
    requests: u64,
    reserved: u64,
}

impl Inspected {
    pub(super) fn new(path: &Path, file_bytes: u64, state: &StoredState) -> Self {
        let channels: BTreeMap<Domain, Pubkey> = state
            .channels
            .iter()
            .map(|channel| (channel.domain, channel.address))
            .collect();
        let mut in_flight = BTreeMap::<LaneKey, InFlight>::new();
        for (key, _) in &state.used {
            in_flight.entry(*key).or_default().used_values += 1;
        }
        for (_, reservation) in &state.reservations {
            let lane = in_flight.entry(reservation.key).or_default();
            lane.requests += 1;
            lane.reserved = lane.reserved.saturating_add(reservation.maximum.0);
        }
        let mut charged = BTreeMap::<(Domain, LaneIndex), BaseUnits>::new();
        for (key, lane) in &state.lanes {
            let highest = charged.entry((key.domain, key.lane)).or_default();
            *highest = lane.charged.max(*highest);
        }
        let none = InFlight::default();
        let lanes = state.lanes.iter().map(|(key, lane)| {
            let LaneKey {
                lane: LaneIndex(index),
                generation: Generation(generation),
                ..
            } = *key;
            let in_flight = in_flight.get(key).unwrap_or(&none);
            InspectedLane {
                channel: channels.get(&key.domain).map(ToString::to_string),
                domain: Pubkey::new_from_array(key.domain.0).to_string(),
                lane: index,
                generation,
                authorized: lane.authorized.0,
                charged: lane.charged.0,
                reserved: in_flight.reserved,
                floor: lane.floor.0,
                used_values: in_flight.used_values,
                requests_in_flight: in_flight.requests,
            }
        });
        Self {
            store: path.display().to_string(),
            file_bytes,
            counts: Counts::of(state),
            is_imported: state.is_imported,
            charged: sum(charged.into_values()),
            reserved: sum(state
                .reservations
                .iter()
                .map(|(_, request)| request.maximum)),
            lanes: lanes.collect(),
            settlements: state.settlements.iter().map(settlement).collect(),
        }
    }
}

fn settlement(record: &SettlementRecord) -> InspectedSettlement {
    InspectedSettlement {
        signature: record.signature.to_string(),
        channel: record.channel.to_string(),
        last_valid_block_height: record.last_valid_block_height,
        claims: record.claims.len(),
        owed: sum(record.claims.iter().map(|claim| claim.owed)),
    }
}

/// Saturating sum: a damaged store may contain amounts whose sum exceeds 64 bits.
fn sum(amounts: impl Iterator<Item = BaseUnits>) -> u64 {
    amounts.fold(0_u64, |sum, amount| sum.saturating_add(amount.0))
}

fn usdc(base_units: u64) -> String {
    format!("{} USDC", Usdc(BaseUnits(base_units)))
}

fn counted(counts: &Counts) -> [(&'static str, String); 6] {
    [
        ("channels", counts.channels.to_string()),
        ("lanes", counts.lanes.to_string()),
        ("used values", counts.used.to_string()),
        ("requests in flight", counts.reservations.to_string()),
        ("settlements under way", counts.settlements.to_string()),
        ("outcomes kept", counts.outcomes.to_string()),
    ]
}

impl fmt::Display for Inspected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = [
            ("store", self.store.clone()),
            ("size", format!("{} bytes", self.file_bytes)),
        ];
        let serves = if self.is_imported {
            "not before farthing reconcile"
        } else {
            "yes"
        };
        let last = [
            ("serves", serves.to_owned()),
            ("charged", usdc(self.charged)),
            ("in flight", format!("at most {}", usdc(self.reserved))),
        ];
        facts(first.into_iter().chain(counted(&self.counts)).chain(last)).fmt(f)?;
        if !self.lanes.is_empty() {
            let header = [
                "channel",
                "lane",
                "generation",
                "authorized",
                "charged",
                "in flight",
                "floor",
                "used values",
            ];
            let rows = self.lanes.iter().map(|lane| {
                let channel = lane.channel.clone();
                vec![
                    channel.unwrap_or_else(|| "unknown".to_owned()),
                    lane.lane.to_string(),
                    lane.generation.to_string(),
                    Usdc(BaseUnits(lane.authorized)).to_string(),
                    Usdc(BaseUnits(lane.charged)).to_string(),
                    Usdc(BaseUnits(lane.reserved)).to_string(),
                    Usdc(BaseUnits(lane.floor)).to_string(),
                    lane.used_values.to_string(),
                ]
            });
            write!(f, "\n{}", table(&header, rows))?;
        }
        if !self.settlements.is_empty() {
            let header = [
                "settlement under way",
                "channel",
                "claims",
                "claims more",
                "until block",
            ];
            let rows = self.settlements.iter().map(|settlement| {
                vec![
                    settlement.signature.clone(),
                    settlement.channel.clone(),
                    settlement.claims.to_string(),
                    usdc(settlement.owed),
                    settlement.last_valid_block_height.to_string(),
                ]
            });
            write!(f, "\n{}", table(&header, rows))?;
        }
        Ok(())
    }
}

/// Result of `store export` to a file.
#[derive(Debug, Serialize)]
pub(super) struct Exported {
    store: String,
    output: String,
    counts: Counts,
    sha256: String,
}

impl Exported {
    pub(super) fn new(store: &Path, output: &Path, summary: &ExportSummary) -> Self {
        Self {
            store: store.display().to_string(),
            output: output.display().to_string(),
            counts: summary.counts,
            sha256: summary.sha256.to_string(),
        }
    }
}

impl fmt::Display for Exported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files = [
            ("store", self.store.clone()),
            ("export", self.output.clone()),
        ];
        let hash = [("SHA-256", self.sha256.clone())];
        facts(files.into_iter().chain(counted(&self.counts)).chain(hash)).fmt(f)
    }
}

/// Result of `store import`.
#[derive(Debug, Serialize)]
pub(super) struct Imported {
    store: String,
    counts: Counts,
    sha256: String,
}

impl Imported {
    pub(super) fn new(store: &Path, summary: &ExportSummary) -> Self {
        Self {
            store: store.display().to_string(),
            counts: summary.counts,
            sha256: summary.sha256.to_string(),
        }
    }
}

impl fmt::Display for Imported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let store = [("new store", self.store.clone())];
        let hash = [("SHA-256 of the export", self.sha256.clone())];
        facts(store.into_iter().chain(counted(&self.counts)).chain(hash)).fmt(f)?;
        f.write_str(
            "\nDo not serve from the exported store any more: a voucher could be used once with each of the two.",
        )
    }
}

/// Result of `store check`.
#[derive(Debug, Serialize)]
pub(super) struct Checked {
    store: String,
    records: u64,
    findings: Vec<String>,
}

impl Checked {
    pub(super) fn new(store: &Path, state: &StoredState, findings: &[Finding]) -> Self {
        Self {
            store: store.display().to_string(),
            records: Counts::of(state).total(),
            findings: findings.iter().map(ToString::to_string).collect(),
        }
    }
}

impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.findings {
            writeln!(f, "{finding}")?;
        }
        write!(
            f,
            "{} records in {}, {} findings",
            self.records,
            self.store,
            self.findings.len()
        )
    }
}
