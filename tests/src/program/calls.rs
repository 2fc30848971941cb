//! Instructions with the right accounts; the owner acts where owner or manager may.

use farthing::state::NewLane;
use farthing::{
    AddLanesArgs, ApprovePayeeArgs, Claim, CreateEscrowArgs, FundChannelArgs, OpenChannelArgs,
    RaiseCapArgs, ReleaseArgs, RevokeLaneArgs, RotateLaneArgs, SetCountersignerArgs,
    SetManagerArgs, SetSettlerArgs, SettleArgs, SettleStatementArgs, WithdrawArgs, accounts,
    instruction as data,
};
use solana_sdk::instruction::{AccountMeta, Instruction};
use solana_sdk::pubkey::Pubkey;
use spl_associated_token_account_interface::program::ID as ASSOCIATED_TOKEN;

use crate::program::Mint;
use crate::program::world::{Channel, GENESIS_HASH, World, escrow_address, instruction, new_lanes};

impl World {
    /// Accounts of `create_escrow`.
    #[must_use]
    pub fn create_escrow_accounts(&self, escrow_id: u64) -> accounts::CreateEscrow {
        let escrow = escrow_address(&self.owner, &self.mint.address, escrow_id);
        accounts::CreateEscrow {
            owner: self.owner,
            rent_payer: self.rent_payer,
            mint: self.mint.address,
            escrow,
            vault: self.mint.address_of(&escrow),
            token_program: self.mint.token_program,
            associated_token_program: ASSOCIATED_TOKEN,
            system_program: Pubkey::default(),
        }
    }

    /// `create_escrow`.
    #[must_use]
    pub fn create_escrow(&self, escrow_id: u64) -> Instruction {
        let args = CreateEscrowArgs { escrow_id };
        instruction(
            self.create_escrow_accounts(escrow_id),
            data::CreateEscrow { args },
        )
    }

    /// `set_manager`.
    #[must_use]
    pub fn set_manager(
        &self,
        manager: Option<Pubkey>,
        allowance: u64,
        expected_allowance: u64,
    ) -> Instruction {
        let accounts = accounts::SetManager {
            owner: self.owner,
            escrow: self.escrow,
        };
        let args = SetManagerArgs {
            manager,
            allowance,
            expected_allowance,
        };
        instruction(accounts, data::SetManager { args })
    }

    /// Accounts of `approve_payee`.
    #[must_use]
    pub fn approve_payee_accounts(&self) -> accounts::ApprovePayee {
        accounts::ApprovePayee {
            owner: self.owner,
            rent_payer: self.rent_payer,
            escrow: self.escrow,
            approval: self.approval(),
            system_program: Pubkey::default(),
        }
    }

    /// `approve_payee` for this world's payee.
    #[must_use]
    pub fn approve_payee(&self, max_grace_seconds: u32) -> Instruction {
        let args = ApprovePayeeArgs {
            payee: self.payee,
            max_grace_seconds,
        };
        instruction(self.approve_payee_accounts(), data::ApprovePayee { args })
    }

    /// Accounts of `revoke_payee`.
    #[must_use]
    pub fn revoke_payee_accounts(&self) -> accounts::RevokePayee {
        accounts::RevokePayee {
            owner: self.owner,
            escrow: self.escrow,
            approval: self.approval(),
            rent_payer: self.rent_payer,
        }
    }

    /// `revoke_payee`.
    #[must_use]
    pub fn revoke_payee(&self) -> Instruction {
        instruction(self.revoke_payee_accounts(), data::RevokePayee {})
    }

    /// Accounts of `withdraw`.
    #[must_use]
    pub fn withdraw_accounts(&self, destination: Pubkey) -> accounts::Withdraw {
        accounts::Withdraw {
            owner: self.owner,
            escrow: self.escrow,
            mint: self.mint.address,
            vault: self.vault(),
            destination,
            token_program: self.mint.token_program,
        }
    }

    /// `withdraw`.
    #[must_use]
    pub fn withdraw(&self, destination: Pubkey, amount: u64) -> Instruction {
        let args = WithdrawArgs { amount };
        instruction(self.withdraw_accounts(destination), data::Withdraw { args })
    }

    /// Accounts of `close_escrow`.
    #[must_use]
    pub fn close_escrow_accounts(&self, destination: Option<Pubkey>) -> accounts::CloseEscrow {
        accounts::CloseEscrow {
            authority: self.owner,
            escrow: self.escrow,
            rent_payer: self.rent_payer,
            mint: self.mint.address,
            vault: self.vault(),
            destination,
            token_program: self.mint.token_program,
        }
    }

    /// `close_escrow`.
    #[must_use]
    pub fn close_escrow(&self, destination: Option<Pubkey>) -> Instruction {
        instruction(
            self.close_escrow_accounts(destination),
            data::CloseEscrow {},
        )
    }

    /// Arguments that open a channel in the current slot, with the shortest grace.
    #[must_use]
    pub fn open_args(&self, channel_id: u64, deposit: u64, agents: &[Pubkey]) -> OpenChannelArgs {
        OpenChannelArgs {
            payee: self.payee,
            settler: self.settler,
            channel_id,
            deposit,
            grace_seconds: farthing_protocol::limits::MIN_GRACE_SECONDS,
            genesis_hash: GENESIS_HASH,
            opened_slot: self.chain.time().slot,
            lanes: new_lanes(agents),
        }
    }

    /// Accounts of `open_channel`.
    #[must_use]
    pub fn open_channel_accounts(&self, args: &OpenChannelArgs) -> accounts::OpenChannel {
        accounts::OpenChannel {
            authority: self.owner,
            rent_payer: self.rent_payer,
            escrow: self.escrow,
            vault: self.vault(),
            approval: None,
            channel: self.channel_address(&args.payee, args.channel_id),
            system_program: Pubkey::default(),
        }
    }

    /// `open_channel`.
    #[must_use]
    pub fn open_channel(&self, args: OpenChannelArgs) -> Instruction {
        instruction(
            self.open_channel_accounts(&args),
            data::OpenChannel { args },
        )
    }

    /// Accounts of `fund_channel`.
    #[must_use]
    pub fn fund_channel_accounts(&self, channel: &Channel) -> accounts::FundChannel {
        accounts::FundChannel {
            authority: self.owner,
            escrow: self.escrow,
            vault: self.vault(),
            approval: None,
            channel: channel.address,
        }
    }

    /// `fund_channel`.
    #[must_use]
    pub fn fund_channel(&self, channel: &Channel, amount: u64) -> Instruction {
        let args = FundChannelArgs { amount };
        instruction(
            self.fund_channel_accounts(channel),
            data::FundChannel { args },
        )
    }

    /// Accounts of `add_lanes`.
    #[must_use]
    pub fn add_lanes_accounts(&self, channel: &Channel) -> accounts::AddLanes {
        accounts::AddLanes {
            authority: self.owner,
            rent_payer: self.rent_payer,
            escrow: self.escrow,
            channel: channel.address,
            system_program: Pubkey::default(),
        }
    }

    /// `add_lanes`.
    #[must_use]
    pub fn add_lanes(&self, channel: &Channel, lanes: Vec<NewLane>) -> Instruction {
        let args = AddLanesArgs { lanes };
        instruction(self.add_lanes_accounts(channel), data::AddLanes { args })
    }

    /// A channel with the way of its money.
    #[must_use]
    pub fn funds(&self, channel: &Channel) -> accounts::Funds {
        accounts::Funds {
            escrow: self.escrow,
            channel: channel.address,
            mint: self.mint.address,
            vault: self.vault(),
            payee_token: self.payee_token(),
            token_program: self.mint.token_program,
        }
    }

    /// Accounts of `settle`, by the settler.
    #[must_use]
    pub fn settle_accounts(&self, channel: &Channel) -> accounts::Settle {
        accounts::Settle {
            authority: self.settler,
            funds: self.funds(channel),
        }
    }

    /// `settle`.
    #[must_use]
    pub fn settle(&self, channel: &Channel, claims: Vec<Claim>) -> Instruction {
        let args = SettleArgs { claims };
        instruction(self.settle_accounts(channel), data::Settle { args })
    }

    /// `raise_cap` by the owner.
    #[must_use]
    pub fn raise_cap(&self, channel: &Channel, lane: u16, cap: u64) -> Instruction {
        let accounts = accounts::RaiseCap {
            authority: self.owner,
            escrow: self.escrow,
            channel: channel.address,
        };
        let args = RaiseCapArgs { lane, cap };
        instruction(accounts, data::RaiseCap { args })
    }

    /// `revoke_lane` by the owner.
    #[must_use]
    pub fn revoke_lane(&self, channel: &Channel, lane: u16) -> Instruction {
        let accounts = accounts::RevokeLane {
            authority: self.owner,
            escrow: self.escrow,
            channel: channel.address,
        };
        let args = RevokeLaneArgs { lane };
        instruction(accounts, data::RevokeLane { args })
    }

    /// `rotate_lane` by the owner.
    #[must_use]
    pub fn rotate_lane(&self, channel: &Channel, lane: u16, new: NewLane) -> Instruction {
        let accounts = accounts::RotateLane {
            authority: self.owner,
            escrow: self.escrow,
            channel: channel.address,
        };
        let args = RotateLaneArgs { lane, new };
        instruction(accounts, data::RotateLane { args })
    }

    /// `set_countersigner`, with the channels that are known.
    #[must_use]
    pub fn set_countersigner(
        &self,
        countersigner: Option<Pubkey>,
        known: &[Channel],
    ) -> Instruction {
        let accounts = accounts::SetCountersigner {
            owner: self.owner,
            escrow: self.escrow,
        };
        let args = SetCountersignerArgs { countersigner };
        let mut set = instruction(accounts, data::SetCountersigner { args });
        set.accounts.extend(
            known
                .iter()
                .map(|channel| AccountMeta::new_readonly(channel.address, false)),
        );
        set
    }

    /// Accounts of `settle_statement`, by the settler.
    #[must_use]
    pub fn settle_statement_accounts(&self, channel: &Channel) -> accounts::SettleStatement {
        accounts::SettleStatement {
            authority: self.settler,
            funds: self.funds(channel),
        }
    }

    /// `settle_statement`.
    #[must_use]
    pub fn settle_statement(&self, channel: &Channel, args: SettleStatementArgs) -> Instruction {
        instruction(
            self.settle_statement_accounts(channel),
            data::SettleStatement { args },
        )
    }

    /// `set_settler` by the payee.
    #[must_use]
    pub fn set_settler(&self, channel: &Channel, settler: Pubkey) -> Instruction {
        let accounts = accounts::SetSettler {
            payee: self.payee,
            escrow: self.escrow,
            channel: channel.address,
        };
        let args = SetSettlerArgs { settler };
        instruction(accounts, data::SetSettler { args })
    }

    /// `release` by the payee.
    #[must_use]
    pub fn release(&self, channel: &Channel, amount: u64) -> Instruction {
        let accounts = accounts::Release {
            payee: self.payee,
            escrow: self.escrow,
            channel: channel.address,
        };
        let args = ReleaseArgs { amount };
        instruction(accounts, data::Release { args })
    }

    /// `pay_out`.
    #[must_use]
    pub fn pay_out(&self, channel: &Channel) -> Instruction {
        let accounts = accounts::PayOut {
            funds: self.funds(channel),
        };
        instruction(accounts, data::PayOut {})
    }

    /// Accounts of `rescue`: everything in `source` goes to `destination`.
    #[must_use]
    pub fn rescue_accounts(
        &self,
        mint: &Mint,
        source: Pubkey,
        destination: Pubkey,
    ) -> accounts::Rescue {
        accounts::Rescue {
            owner: self.owner,
            escrow: self.escrow,
            mint: mint.address,
            source,
            destination,
            token_program: mint.token_program,
        }
    }

    /// `rescue`.
    #[must_use]
    pub fn rescue(&self, mint: &Mint, source: Pubkey, destination: Pubkey) -> Instruction {
        instruction(
            self.rescue_accounts(mint, source, destination),
            data::Rescue {},
        )
    }

    /// Accounts of `request_close`.
    #[must_use]
    pub fn request_close_accounts(&self, channel: &Channel) -> accounts::RequestClose {
        accounts::RequestClose {
            authority: self.owner,
            escrow: self.escrow,
            channel: channel.address,
        }
    }

    /// `request_close`.
    #[must_use]
    pub fn request_close(&self, channel: &Channel) -> Instruction {
        instruction(self.request_close_accounts(channel), data::RequestClose {})
    }

    /// Accounts of `close_channel`, by the payee.
    #[must_use]
    pub fn close_channel_accounts(&self, channel: &Channel) -> accounts::CloseChannel {
        accounts::CloseChannel {
            authority: self.payee,
            funds: self.funds(channel),
            rent_payer: self.rent_payer,
        }
    }

    /// `close_channel`.
    #[must_use]
    pub fn close_channel(&self, channel: &Channel) -> Instruction {
        instruction(self.close_channel_accounts(channel), data::CloseChannel {})
    }
}
