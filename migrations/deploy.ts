// What `anchor migrate` runs, on localnet, devnet and mainnet-beta: it deploys the program or upgrades it, then
// compares what is on the cluster with the build, and tells who can replace it.
//
// `farthing program deploy` writes the bytecode; the comparison is made here, by other code. The program needs no
// set-up after that, since nobody has a privilege in it. See docs/deploy.md.
//
//   FARTHING_BYTECODE         the build, by default target/deploy/farthing.so
//   FARTHING_PROGRAM          the program's address, if it is not ours
//   FARTHING_PROGRAM_KEYPAIR  the key file of that address, for a first deployment only
//   FARTHING_BIN              the command `farthing`; by default it is compiled from this repository
//   FARTHING_DEPLOY_TO        must be mainnet-beta to deploy there
//
// Paths are relative to the root of the repository. The wallet is the upgrade authority and pays.

import * as anchor from "@anchor-lang/core";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";

const ROOT = resolve(__dirname, "..");
const PROGRAM = "FaryyW2ua5w5F7G57DtiGqm6SKEpdTbZPwBErDpgmZFw";
const BYTECODE = "target/deploy/farthing.so";
const BUILD_COMMAND = "run --release --locked -p farthing-cli --no-default-features --bin farthing --";

const MAINNET = "mainnet-beta";
const CLUSTER_OF_GENESIS_HASH: Record<string, string> = {
  "5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d": MAINNET,
  EtWTRABZaYq6iMfeYKouRu166VU2xqa1wcaWoxPkrZBG: "devnet",
};
const LOOPBACK = ["localhost", "127.0.0.1", "[::1]"];

const UPGRADEABLE_LOADER = new anchor.web3.PublicKey("BPFLoaderUpgradeab1e11111111111111111111111");
// Layouts of the upgradeable loader's accounts: a u32 that tells which, then
//   Program: the address of the program data;
//   ProgramData: u64 slot, u8 whether there is an upgrade authority, the authority, and after 45 bytes the
//   bytecode, padded with zeros.
const PROGRAM_STATE = 2;
const PROGRAM_LENGTH = 36;
const PROGRAM_DATA_STATE = 3;
const PROGRAM_DATA_HEADER = 45;

interface Deployed {
  programData: anchor.web3.PublicKey;
  slot: bigint;
  authority: anchor.web3.PublicKey | null;
  hash: string;
}

function fromRoot(path: string): string {
  return resolve(ROOT, path);
}

/** SHA-256 without the zeros at the end, which are the loader's: as `solana-verify` computes it. */
function hashOf(bytecode: Uint8Array): string {
  let length = bytecode.length;
  while (length > 0 && bytecode[length - 1] === 0) {
    length -= 1;
  }
  return createHash("sha256").update(bytecode.subarray(0, length)).digest("hex");
}

async function clusterOf(connection: anchor.web3.Connection): Promise<string> {
  const genesisHash = await connection.getGenesisHash();
  const known = CLUSTER_OF_GENESIS_HASH[genesisHash];
  if (known !== undefined) {
    return known;
  }
  if (LOOPBACK.includes(new URL(connection.rpcEndpoint).hostname)) {
    return "localnet";
  }
  throw new Error(`the cluster with genesis hash ${genesisHash} is not localnet, devnet or ${MAINNET}`);
}

function requireIntent(cluster: string): void {
  if (cluster === MAINNET && process.env.FARTHING_DEPLOY_TO !== MAINNET) {
    throw new Error(
      `this is ${MAINNET}, where the program holds other people's money: ` +
        `read docs/deploy.md, then set FARTHING_DEPLOY_TO=${MAINNET} if you mean it`,
    );
  }
}

function readBuild(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new Error(`cannot read the build: run \`anchor build\`, or set FARTHING_BYTECODE (${error})`);
  }
}

/** Runs `farthing program deploy`, which prints what it does. */
function deploy(connection: anchor.web3.Connection, bytecode: string): void {
  const wallet = process.env.ANCHOR_WALLET;
  if (wallet === undefined) {
    throw new Error("ANCHOR_WALLET is not set: run this with `anchor migrate`");
  }
  const command = process.env.FARTHING_BIN ?? "cargo";
  const before = process.env.FARTHING_BIN === undefined ? BUILD_COMMAND.split(" ") : [];
  const args = [...before, "program", "deploy", "--bytecode", bytecode, "--keypair", resolve(wallet)];
  const key = process.env.FARTHING_PROGRAM_KEYPAIR;
  // The URL may hold an access key, so it is not an argument, which others on this machine can read.
  const env = {
    ...process.env,
    FARTHING_RPC_URL: connection.rpcEndpoint,
    ...(key === undefined ? {} : { FARTHING_PROGRAM_KEYPAIR: fromRoot(key) }),
  };
  const result = spawnSync(command, args, { cwd: ROOT, env, stdio: "inherit" });
  if (result.error !== undefined) {
    throw new Error(`cannot run ${command}: ${result.error.message}; set FARTHING_BIN to the command \`farthing\``);
  }
  if (result.status !== 0) {
    throw new Error("`farthing program deploy` failed: what to do is said above, and anchor migrate continues it");
  }
}

async function readLoaderAccount(
  connection: anchor.web3.Connection,
  address: anchor.web3.PublicKey,
  state: number,
  minimumLength: number,
): Promise<Buffer> {
  // What may still be undone is not compared.
  const account = await connection.getAccountInfo(address, "finalized");
  if (account === null) {
    throw new Error(`${address.toBase58()} does not exist on this cluster`);
  }
  if (!account.owner.equals(UPGRADEABLE_LOADER)) {
    throw new Error(`${address.toBase58()} does not belong to the upgradeable loader`);
  }
  if (account.data.length < minimumLength || account.data.readUInt32LE(0) !== state) {
    throw new Error(`${address.toBase58()} is not what the upgradeable loader should have there`);
  }
  if (state === PROGRAM_STATE && !account.executable) {
    throw new Error(`${address.toBase58()} is not executable`);
  }
  return account.data;
}

async function readDeployed(
  connection: anchor.web3.Connection,
  program: anchor.web3.PublicKey,
): Promise<Deployed> {
  const account = await readLoaderAccount(connection, program, PROGRAM_STATE, PROGRAM_LENGTH);
  const programData = new anchor.web3.PublicKey(account.subarray(4, PROGRAM_LENGTH));
  const data = await readLoaderAccount(connection, programData, PROGRAM_DATA_STATE, PROGRAM_DATA_HEADER);
  return {
    programData,
    slot: data.readBigUInt64LE(4),
    authority: data[12] === 1 ? new anchor.web3.PublicKey(data.subarray(13, PROGRAM_DATA_HEADER)) : null,
    hash: hashOf(data.subarray(PROGRAM_DATA_HEADER)),
  };
}

async function migrate(provider: anchor.AnchorProvider): Promise<void> {
  const connection = provider.connection;
  const program = new anchor.web3.PublicKey(process.env.FARTHING_PROGRAM ?? PROGRAM);
  const cluster = await clusterOf(connection);
  requireIntent(cluster);
  const path = fromRoot(process.env.FARTHING_BYTECODE ?? BYTECODE);
  const expected = hashOf(readBuild(path));

  deploy(connection, path);

  const deployed = await readDeployed(connection, program);
  console.log(`cluster            ${cluster}`);
  console.log(`program            ${program.toBase58()}`);
  console.log(`program data       ${deployed.programData.toBase58()}`);
  console.log(`deployed in slot   ${deployed.slot}`);
  console.log(`upgrade authority  ${deployed.authority?.toBase58() ?? "none"}`);
  console.log(`hash on the chain  ${deployed.hash}`);
  console.log(`hash of the build  ${expected}`);
  if (deployed.hash !== expected) {
    throw new Error("the cluster has other bytecode than the build: find out why before anybody relies on it");
  }
  if (cluster === MAINNET && deployed.authority?.equals(provider.wallet.publicKey)) {
    console.log("one key can replace the program: hand it over to a multisig with a delay (docs/deploy.md)");
  }
}

// The script that calls this one does not wait for it, so a failure must set the exit status here.
module.exports = async function (provider: anchor.AnchorProvider): Promise<void> {
  try {
    await migrate(provider);
  } catch (error) {
    console.error(error instanceof Error ? `error: ${error.message}` : error);
    process.exitCode = 1;
  }
};
