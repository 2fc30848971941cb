//! Instructions with the right accounts; the owner acts where owner or manager may.

use farthing::state::NewLane;
use farthing::{
    AddLanesArgs, ApprovePayeeArgs, Claim, CreateEscrowArgs, FundChannelArgs, OpenChannelArgs,
    SetManagerArgs, SettleArgs, WithdrawArgs, accounts, instruction as data,
};
use solana_sdk::instruction::Instruction;
use solana_sdk::pubkey::Pubkey;
use spl_associated_token_account_interface::program::ID as ASSOCIATED_TOKEN;

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
            token_program: spl_token_interface::ID,
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
            token_program: spl_token_interface::ID,
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
            token_program: spl_token_interface::ID,
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

    /// Accounts of `settle`, by the settler.
    #[must_use]
    pub fn settle_accounts(&self, channel: &Channel) -> accounts::Settle {
        accounts::Settle {
            authority: self.settler,
            escrow: self.escrow,
            channel: channel.address,
            mint: self.mint.address,
            vault: self.vault(),
            payee_token: self.payee_token(),
            token_program: spl_token_interface::ID,
        }
    }

    /// `settle`.
    #[must_use]
    pub fn settle(&self, channel: &Channel, claims: Vec<Claim>) -> Instruction {
        let args = SettleArgs { claims };
        instruction(self.settle_accounts(channel), data::Settle { args })
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
            escrow: self.escrow,
            channel: channel.address,
            mint: self.mint.address,
            vault: self.vault(),
            payee_token: self.payee_token(),
            rent_payer: self.rent_payer,
            token_program: spl_token_interface::ID,
        }
    }

    /// `close_channel`.
    #[must_use]
    pub fn close_channel(&self, channel: &Channel) -> Instruction {
        instruction(self.close_channel_accounts(channel), data::CloseChannel {})
    }
}
