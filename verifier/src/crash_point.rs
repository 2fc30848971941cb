//! Crash points: places at which tests kill a process to check what survives. There is one before and after each step
//! that durability depends on.
//!
//! Without the feature `failpoints`, passing a point compiles to nothing. With it, a point does nothing until a
//! callback is set by `CrashPoint::on_pass`. What must not live here: anything that a running verifier needs.

macro_rules! crash_points {
    ($($(#[$meta:meta])* $point:ident = $name:literal,)*) => {
        /// A place at which a process can be made to die.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum CrashPoint {
            $($(#[$meta])* $point,)*
        }

        impl CrashPoint {
            /// All crash points, in the order of a request, then of a settlement, then of a start.
            pub const ALL: &[Self] = &[$(Self::$point),*];

            /// The name of the crash point on command lines and in tables.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$point => $name,)*
                }
            }
        }
    };
}

crash_points! {
    /// A request was accepted and its reservation is queued; the caller does not have it yet.
    Reserved = "reserved",
    /// Records were taken from the queue and are not written yet.
    BeforeCommit = "before_commit",
    /// Records are durable, and the tasks that wait for them are not notified yet.
    AfterCommit = "after_commit",
    /// A stream's reservation is durable, and no byte of the answer has left.
    ReservationDurable = "reservation_durable",
    /// The upstream has begun its answer.
    UpstreamAnswered = "upstream_answered",
    /// A stream has queued a checkpoint of its cost so far.
    StreamCheckpointed = "stream_checkpointed",
    /// A charge is queued, and the client does not know of it yet.
    ChargeQueued = "charge_queued",
    /// A charge is durable, and its receipt has not left.
    ChargeDurable = "charge_durable",
    /// A stream's receipt was handed to its connection.
    StreamReceiptPassed = "stream_receipt_passed",
    /// A settlement is recorded and was not sent.
    SettlementRecorded = "settlement_recorded",
    /// A settlement was sent, and the settler does not follow it yet.
    SettlementSent = "settlement_sent",
    /// A settlement is final, and its record still says that it is pending.
    SettlementFinal = "settlement_final",
    /// The store was read at the start, and the unfinished requests of the last process are not charged yet.
    Restored = "restored",
}

impl CrashPoint {
    /// Marks that the process passes the point; runs its callback, if one is set.
    pub(crate) fn pass(self) {
        fail::fail_point!(self.name());
    }

    /// Calls `callback` whenever this process passes the point from now on.
    ///
    /// # Panics
    /// Never: setting a callback cannot fail.
    #[cfg(feature = "failpoints")]
    pub fn on_pass(self, callback: impl Fn() + Send + Sync + 'static) {
        fail::cfg_callback(self.name(), callback).expect("a callback is always understood");
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::CrashPoint;

    #[test]
    fn names_are_different() {
        let names: BTreeSet<&str> = CrashPoint::ALL.iter().map(|point| point.name()).collect();
        assert_eq!(names.len(), CrashPoint::ALL.len());
    }
}
