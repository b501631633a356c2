/**
 * caddy.mjs runs a real Caddy with the shipped Caddyfile in front of a real hub, behind a network that can
 * drop UDP.
 */
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { createHash, X509Certificate } from "node:crypto";
import { createSocket } from "node:dgram";
import { readFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { browser, Hub, LIMIT, PROGRAM, ROOT } from "../hub.mjs";

const CONFIG = join(ROOT, "Caddyfile");
/** Caddy's address. The browser connects to the network, at the same port of 127.0.0.1. */
const HOST = "127.0.0.2";

const run = promisify(execFile);

/** ProxiedHub is a hub that asks for tokens and that browsers reach through Caddy. */
export class ProxiedHub extends Hub {
	/** @type {import("node:child_process").ChildProcess | undefined} */ #caddy;
	/** @type {NodeJS.ProcessEnv} */ #env = {};
	network = new Network();

	/** @override @param {string[]} [flags] of serve @returns {Promise<ProxiedHub>} */
	static async start(flags = []) {
		const bare = await Hub.start(["--listen", "off"]); // for its folder
		await bare.stop();
		const key = join(bare.state, "key");
		await run(PROGRAM, ["token", "--make-key", key]);
		const hub = new ProxiedHub(
			[
				"--listen",
				"off",
				"--proxy-listen",
				`unix:${bare.state}/hub.sock`,
				"--anonymous=false",
				"--jwt-key",
				key,
				...flags,
			],
			bare.state,
		);
		await hub.run();
		const port = await hub.network.listen();
		const plain = await freePort();
		hub.public = `https://localhost:${port}`;
		hub.#env = {
			...process.env,
			XDG_DATA_HOME: hub.state,
			XDG_CONFIG_HOME: hub.state,
			CADDY_ADMIN: `unix/${hub.state}/admin.sock`,
			LIVEMAP_SITE: `localhost:${port}`,
			LIVEMAP_HTTP_PORT: `${plain}`,
			LIVEMAP_BIND: HOST,
			LIVEMAP_UPSTREAM: `unix/${hub.state}/hub.sock`,
		};
		await hub.runCaddy();
		return hub;
	}

	/** Starts Caddy, and waits until it has a certificate. */
	async runCaddy() {
		const caddy = spawn(program(), ["run", "--config", CONFIG], {
			env: this.#env,
			stdio: ["ignore", "ignore", "pipe"],
		});
		this.#caddy = caddy;
		let said = "";
		caddy.stderr.on("data", (text) => (said += text));
		const issuer = join(this.state, "caddy/pki/authorities/local/intermediate.crt");
		const site = join(this.state, "caddy/certificates/local/localhost/localhost.crt");
		for (const limit = Date.now() + LIMIT; ; await sleep(50)) {
			if (caddy.exitCode !== null || Date.now() > limit) {
				throw new Error(`Caddy does not start: ${said}`);
			}
			const made = await Promise.all([issuer, site].map((path) => readFile(path).catch(() => null)));
			if (made[0] && made[1] && said.includes("serving initial configuration")) {
				const key = new X509Certificate(made[0]).publicKey.export({ type: "spki", format: "der" });
				this.key = createHash("sha256").update(key).digest("base64");
				return;
			}
		}
	}

	/** @param {NodeJS.Signals} signal */
	async stopCaddy(signal) {
		const caddy = this.#caddy;
		this.#caddy = undefined;
		if (caddy && caddy.exitCode === null) {
			const ended = new Promise((resolve) => caddy.once("exit", resolve));
			caddy.kill(signal);
			await ended;
		}
	}

	/** Makes Caddy reload its unchanged configuration. */
	reload() {
		return run(program(), ["reload", "--config", CONFIG, "--force"], { env: this.#env });
	}

	/** Exchanges a token for the page's cookie. @param {import("playwright-core").Page} page */
	async signIn(page) {
		const { stdout } = await run(PROGRAM, [
			"token",
			"--key",
			join(this.state, "key"),
			"--subject",
			"dispatcher",
			"--read",
			"*",
		]);
		await page.goto(`${this.public}/`);
		const [before, session] = await page.evaluate(async (token) => {
			const before = await fetch("/stream");
			const session = await fetch("/session", {
				method: "POST",
				headers: { Authorization: `Bearer ${token}` },
			});
			return [before.status, session.status];
		}, stdout.trim());
		assert.deepEqual([before, session], [401, 200]);
		await page.goto("about:blank");
	}

	/**
	 * @override A browser that trusts Caddy's certificate for QUIC.
	 * @param {import("../hub.mjs").Drawing} [drawing]
	 * @param {boolean} [forced] true: only HTTP/3; false: what Alt-Svc offers
	 */
	browser(drawing, forced = true) {
		return browser(
			drawing,
			"--host-resolver-rules=MAP localhost 127.0.0.1",
			`--ignore-certificate-errors-spki-list=${this.key}`,
			`--origin-to-force-quic-on=${forced ? new URL(this.public).host : "localhost:1"}`,
		);
	}

	/** @override */
	async end() {
		await this.stopCaddy("SIGKILL");
		this.network.close();
		await super.end();
	}
}

function program() {
	if (!process.env.LIVEMAP_CADDY) {
		throw new Error("LIVEMAP_CADDY names no Caddy to test with; make faults builds one");
	}
	return process.env.LIVEMAP_CADDY;
}

/** A port of TCP that is free now. @returns {Promise<number>} */
async function freePort() {
	const server = createServer();
	await new Promise((resolve) => server.listen(0, HOST, () => resolve(undefined)));
	const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
	await new Promise((resolve) => server.close(resolve));
	return port;
}

/** Network forwards TCP and UDP to Caddy. */
class Network {
	losesUDP = false;
	/** @type {import("node:net").Server} */ #tcp = createServer((client) => this.#join(client));
	#udp = createSocket("udp4");
	/** By the client's port. @type {Map<number, import("node:dgram").Socket>} */ #backs = new Map();
	/** @type {Set<import("node:net").Socket>} */ #open = new Set();
	#port = 0;

	/** @returns {Promise<number>} the port, of TCP and UDP */
	async listen() {
		this.#udp.on(
			"message",
			(data, from) => this.losesUDP || this.#back(from.port).send(data, this.#port, HOST),
		);
		for (;;) {
			await new Promise((resolve) => this.#tcp.listen(0, "127.0.0.1", () => resolve(undefined)));
			this.#port = /** @type {import("node:net").AddressInfo} */ (this.#tcp.address()).port;
			const bound = await new Promise((resolve) => {
				this.#udp.once("error", () => resolve(false));
				this.#udp.bind(this.#port, "127.0.0.1", () => resolve(true));
			});
			if (bound) {
				return this.#port;
			}
			await new Promise((resolve) => this.#tcp.close(resolve));
		}
	}

	/** @param {import("node:net").Socket} client */
	#join(client) {
		const caddy = connect(this.#port, HOST);
		for (const [one, other] of [
			[client, caddy],
			[caddy, client],
		]) {
			this.#open.add(one);
			one.on("error", () => other.destroy());
			one.on("close", () => {
				this.#open.delete(one);
				other.destroy();
			});
			one.pipe(other);
		}
	}

	/** The socket that stands for a client. @param {number} port */
	#back(port) {
		let back = this.#backs.get(port);
		if (!back) {
			back = createSocket("udp4");
			back.on("message", (data) => this.losesUDP || this.#udp.send(data, port, "127.0.0.1"));
			back.on("error", () => {}); // Caddy is down
			this.#backs.set(port, back);
		}
		return back;
	}

	close() {
		this.#tcp.close();
		this.#udp.close();
		for (const back of this.#backs.values()) {
			back.close();
		}
		for (const socket of this.#open) {
			socket.destroy();
		}
	}
}
