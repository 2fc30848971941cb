//! Result of `farthing reconcile`.

use std::fmt;
use std::path::Path;

use farthing_chain::Channel;
use farthing_protocol::BaseUnits;
use farthing_verifier::reconcile::Reconciled;
use farthing_wire::amount::Usdc;
use serde::Serialize;
use solana_sdk::pubkey::Pubkey;

use crate::output::{facts, table};

/// What was compared and what was changed.
#[derive(Debug, Serialize)]
pub(super) struct ReconcileReport {
    store: String,
    dry_run: bool,
    /// Number of channels that were compared.
    channels: u64,
    /// Channels of the store that are closed.
    closed: Vec<String>,
    /// Number of lanes of the compared channels that the chain has not debited beyond the store.
    lanes_that_agree: u64,
    lanes_behind: Vec<ReconciledLane>,
}

#[derive(Debug, Serialize)]
struct ReconciledLane {
    channel: String,
    lane: u16,
    charged: u64,
    debited: u64,
    /// Voucher values up to and including this one now count as used; `None` if the lane is held until it is rotated.
    used_through: Option<u64>,
}

impl ReconcileReport {
    pub(super) fn new(store: &Path, dry_run: bool) -> Self {
        Self {
            store: store.display().to_string(),
            dry_run,
            channels: 0,
            closed: Vec::new(),
            lanes_that_agree: 0,
            lanes_behind: Vec::new(),
        }
    }

    pub(super) fn closed(&mut self, channel: &Pubkey) {
        self.closed.push(channel.to_string());
    }

    pub(super) fn channel(
        &mut self,
        address: &Pubkey,
        channel: &Channel,
        reconciled: &[Reconciled],
    ) {
        self.channels += 1;
        self.lanes_that_agree += (channel.lanes.len() - reconciled.len()) as u64;
        let lanes = reconciled.iter().map(|lane| ReconciledLane {
            channel: address.to_string(),
            lane: lane.behind.lane.0,
            charged: lane.behind.charged.0,
            debited: lane.behind.debited.0,
            used_through: lane.used_through.map(|value| value.0),
        });
        self.lanes_behind.extend(lanes);
    }
}

impl fmt::Display for ReconcileReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        facts([
            ("store", self.store.clone()),
            ("channels compared", self.channels.to_string()),
            ("channels closed", self.closed.len().to_string()),
            ("lanes that agree", self.lanes_that_agree.to_string()),
            ("lanes behind", self.lanes_behind.len().to_string()),
        ])
        .fmt(f)?;
        if !self.lanes_behind.is_empty() {
            let header = ["channel", "lane", "charged", "debited", "used through"];
            let rows = self.lanes_behind.iter().map(|lane| {
                let usdc = |base_units| Usdc(BaseUnits(base_units)).to_string();
                vec![
                    lane.channel.clone(),
                    lane.lane.to_string(),
                    usdc(lane.charged),
                    usdc(lane.debited),
                    lane.used_through
                        .map_or_else(|| "held until rotated".to_owned(), usdc),
                ]
            });
            write!(f, "\n{}", table(&header, rows))?;
        }
        let said = match (self.lanes_behind.is_empty(), self.dry_run) {
            (true, _) => {
                "The store is up to date: the chain shows no debits that are missing from it."
            }
            (false, true) => {
                "The store is an old copy. Run without --dry-run to set these lanes to the chain's counters."
            }
            (false, false) => {
                "The store was an old copy. Charges of these lanes that were not settled before are lost."
            }
        };
        write!(f, "\n{said}")
    }
}
