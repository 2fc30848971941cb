// The committed interface description in the hands of the published Anchor client: from an empty escrow to a
// paid payee, with nothing of ours but the IDL and the 47 bytes of a voucher.
//
// tests/tests/end_to_end/anchor_client.rs starts the chain and looks at the outcome.
//   anchor_client.ts RPC_URL IDL OWNER_KEY_FILE SETTLER_KEY_FILE PAYEE MINT

import { strict as assert } from "node:assert";
import { createPrivateKey, generateKeyPairSync, sign } from "node:crypto";
import { readFileSync } from "node:fs";
import * as anchor from "@anchor-lang/core";
import {
  TOKEN_PROGRAM_ID,
  createTransferInstruction,
  getAssociatedTokenAddressSync,
} from "@solana/spl-token";

const { BN } = anchor;
const { Connection, Keypair, PublicKey, Transaction } = anchor.web3;

const PREPAID = 5_000_000n;
const DEPOSIT = 2_000_000n;
const CAP = 1_000_000n;
const AUTHORIZED = 300_000n;
const CHARGED = 120_000n;
const GRACE_SECONDS = 900;
const CHANNEL_HEADER_LENGTH = 232;

const [rpcUrl, idlFile, ownerFile, settlerFile, payeeAddress, mintAddress] = process.argv.slice(2);
const keypair = (file: string) => Keypair.fromSecretKey(Uint8Array.from(JSON.parse(readFileSync(file, "utf8"))));
const units = (amount: bigint) => new BN(amount.toString());

const owner = keypair(ownerFile);
const settler = keypair(settlerFile);
const payee = new PublicKey(payeeAddress);
const mint = new PublicKey(mintAddress);
const connection = new Connection(rpcUrl, "confirmed");
const provider = new anchor.AnchorProvider(connection, new anchor.Wallet(owner), { commitment: "confirmed" });
const program = new anchor.Program(JSON.parse(readFileSync(idlFile, "utf8")) as anchor.Idl, provider);

// Without a generated type for the IDL the client's own types are wide.
function address(value: unknown): anchor.web3.PublicKey {
  assert(value instanceof PublicKey, "the IDL has the seeds of this address");
  return value;
}
const absent = null as unknown as anchor.Address;
const accounts = program.account as Record<string, { fetch(address: anchor.web3.PublicKey): Promise<any> }>;

// Sends, waits by polling, and returns the logs.
async function send(transaction: anchor.web3.Transaction, signer: anchor.web3.Keypair): Promise<string[]> {
  const { blockhash } = await connection.getLatestBlockhash();
  transaction.recentBlockhash = blockhash;
  transaction.feePayer = signer.publicKey;
  transaction.sign(signer);
  const signature = await connection.sendRawTransaction(transaction.serialize());
  for (let attempt = 0; attempt < 600; attempt++) {
    const { value } = await connection.getSignatureStatus(signature);
    assert.equal(value?.err ?? null, null, `${signature} failed`);
    if (value?.confirmationStatus === "confirmed" || value?.confirmationStatus === "finalized") {
      const found = await connection.getTransaction(signature, {
        commitment: "confirmed",
        maxSupportedTransactionVersion: 0,
      });
      return found?.meta?.logMessages ?? [];
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`${signature} was not confirmed`);
}

function events(logs: string[]) {
  return [...new anchor.EventParser(program.programId, program.coder).parseLogs(logs)];
}

// An agent: a plain Ed25519 key, which is all that a lane needs.
function agent() {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const raw = publicKey.export({ format: "der", type: "spki" }).subarray(-32);
  const key = createPrivateKey(privateKey.export({ format: "pem", type: "pkcs8" }));
  return { address: new PublicKey(raw), sign: (message: Buffer) => sign(null, message, key) };
}

function voucher(domain: number[], lane: number, generation: number, authorized: bigint): Buffer {
  const bytes = Buffer.alloc(47);
  bytes.set([0x46, 0x56, 0x01]);
  bytes.set(domain, 3);
  bytes.writeUInt16LE(lane, 35);
  bytes.writeUInt16LE(generation, 37);
  bytes.writeBigUInt64LE(authorized, 39);
  return bytes;
}

async function createEscrow() {
  const escrowId = new BN(7);
  const method = program.methods
    .createEscrow({ escrowId })
    .accountsPartial({ owner: owner.publicKey, rentPayer: owner.publicKey, mint, tokenProgram: TOKEN_PROGRAM_ID });
  const derived = await method.pubkeys();
  const [escrow, vault] = [address(derived.escrow), address(derived.vault)];
  const logs = await send(await method.transaction(), owner);
  assert.deepEqual(events(logs).map((event) => event.name), ["escrowCreated"]);

  const source = getAssociatedTokenAddressSync(mint, owner.publicKey);
  await send(new Transaction().add(createTransferInstruction(source, vault, owner.publicKey, PREPAID)), owner);

  const account = await accounts.escrow.fetch(escrow);
  assert.equal(account.owner.toBase58(), owner.publicKey.toBase58());
  assert.equal(account.mint.toBase58(), mint.toBase58());
  assert.equal(account.escrowId.toString(), "7");
  assert.equal(account.manager, null);
  return { escrow, vault };
}

async function openChannel(
  escrow: anchor.web3.PublicKey,
  vault: anchor.web3.PublicKey,
  lane: anchor.web3.PublicKey,
) {
  const genesisHash = [...new PublicKey(await connection.getGenesisHash()).toBytes()];
  const args = {
    payee,
    settler: settler.publicKey,
    channelId: new BN(0),
    deposit: units(DEPOSIT),
    graceSeconds: GRACE_SECONDS,
    genesisHash,
    openedSlot: new BN(await connection.getSlot("confirmed")),
    lanes: [{ signer: lane, cap: units(CAP) }],
  };
  const method = program.methods.openChannel(args).accountsPartial({
    authority: owner.publicKey,
    rentPayer: owner.publicKey,
    escrow,
    vault,
    approval: absent,
  });
  const channel = address((await method.pubkeys()).channel);
  const logs = await send(await method.transaction(), owner);
  assert.deepEqual(events(logs).map((event) => event.name), ["channelOpened"]);

  const header = await accounts.channel.fetch(channel);
  assert.equal(header.payee.toBase58(), payee.toBase58());
  assert.equal(header.deposit.toString(), DEPOSIT.toString());
  assert.equal(header.graceSeconds, GRACE_SECONDS);
  const account = await connection.getAccountInfo(channel);
  const signer = account!.data.subarray(CHANNEL_HEADER_LENGTH, CHANNEL_HEADER_LENGTH + 32);
  assert.equal(new PublicKey(signer).toBase58(), lane.toBase58());
  return { channel, domain: header.domain as number[] };
}

async function main() {
  const lane = agent();
  const { escrow, vault } = await createEscrow();
  const { channel, domain } = await openChannel(escrow, vault, lane.address);

  const signature = lane.sign(voucher(domain, 0, 0, AUTHORIZED));
  const settle = (authorized: bigint) =>
    program.methods
      .settle({
        claims: [
          {
            lane: 0,
            authorized: units(authorized),
            undebited: Number(AUTHORIZED - CHARGED),
            signature: [...signature],
          },
        ],
      })
      .accountsPartial({
        authority: settler.publicKey,
        funds: {
          escrow,
          channel,
          mint,
          vault,
          payeeToken: getAssociatedTokenAddressSync(mint, payee, true),
          tokenProgram: TOKEN_PROGRAM_ID,
        },
      })
      .transaction();

  // One base unit more than was signed: refused, and the IDL names the rule.
  try {
    await send(await settle(AUTHORIZED + 1n), settler);
    assert.fail("a voucher for less was taken");
  } catch (error) {
    const logs = (error as { logs?: string[] }).logs;
    const refused = logs && anchor.AnchorError.parse(logs);
    if (!refused) throw error;
    assert.equal(refused.error.errorCode.code, "VoucherNotSigned");
    assert.equal(refused.error.errorCode.number, 6283);
  }

  const [settled] = events(await send(await settle(AUTHORIZED), settler));
  assert.equal(settled.name, "settled");
  assert.equal(settled.data.paid.toString(), CHARGED.toString());
  console.log(JSON.stringify({ channel: channel.toBase58(), paid: Number(CHARGED) }));
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
