/**
 * hub.mjs runs a real hub and opens its page in a real browser over HTTP/3.
 *
 * | helper | what it does |
 * |---|---|
 * | `Hub.start(flags)` | starts a hub in a process of its own, on loopback, on free ports |
 * | `hub.stop()`, `hub.run()` | stops it; starts it again on the same ports with the same state |
 * | `hub.pause()`, `hub.goOn()` | takes its processor away, as a dead path looks; gives it back |
 * | `hub.end()` | stops it and removes its state |
 * | `hub.publish(...positions)` | publishes as README does |
 * | `hub.remove(id)`, `hub.clear()` | removes a vehicle; removes all |
 * | `hub.truth()` | the hub's own snapshot, which a page must agree with |
 * | `hub.command(...args)` | runs another livemap command against this hub |
 * | `hub.browser(drawing)` | a Chromium that speaks HTTP/3 with this hub, with WebGL2 or without |
 * | `open(hub, browser, hash)` | opens the page, waits until it is live, collects its `complaints` |
 * | `live(page)`, `rest(page)` | wait until the stream is live; until the map is completely drawn |
 * | `drawn(page, id)`, `pixel(page, at)` | where a vehicle is drawn; the colour of a pixel |
 * | `now()` | Unix seconds |
 *
 * The page offers its state to these helpers as `window.livemap` (src/debug.js).
 */
import { execFile, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { inflateSync } from "node:zlib";
import { chromium } from "playwright-core";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url));
export const PROGRAM = process.env.LIVEMAP ?? join(ROOT, "livemap");
/** An archive of streets: the demo's city. */
export const STREETS = join(ROOT, "cmd/livemap/streets/firenze.pmtiles");
const WHOLE_DAY = join(ROOT, "../shared/data/austin-2015-09-06.ndjson.gz");
/** A day of 146 buses: whole where it lies beside the repository, else the part that the repository has. */
export const AUSTIN = existsSync(WHOLE_DAY)
	? WHOLE_DAY
	: join(ROOT, "cmd/livemap/e2e/testdata/austin-excerpt.ndjson.gz");
/** Milliseconds that any step may take on a busy machine. */
export const LIMIT = 60_000;

const BROWSERS = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const run = promisify(execFile);

/** Hub is a hub in a process of its own, on loopback, on free ports. */
export class Hub {
	/** @type {import("node:child_process").ChildProcess | undefined} */ #process;
	/** @type {string[]} */ log = [];
	public = ""; // https://localhost:PORT
	internal = ""; // http://127.0.0.1:PORT
	key = ""; // base64 of SHA-256 over the certificate's public key

	/** @param {string[]} flags @param {string} state */
	constructor(flags, state) {
		this.flags = flags;
		this.state = state;
	}

	/** @param {string[]} [flags] of serve; without keys for tokens anyone may read */
	static async start(flags = []) {
		const hub = new Hub(flags, await mkdtemp(join(tmpdir(), "livemap-")));
		await hub.run();
		return hub;
	}

	/** Starts it, after a stop on the same ports. */
	async run() {
		const listen = this.public ? new URL(this.public).host : "localhost:0";
		const publish = this.internal ? new URL(this.internal).host : "127.0.0.1:0";
		const process = spawn(
			PROGRAM,
			[
				"serve",
				...(this.flags.some((f) => ["--jwt-key", "--jwks-url"].includes(f)) ? [] : ["--anonymous"]),
				"--listen",
				listen,
				"--publish-listen",
				publish,
				"--state-dir",
				this.state,
				"--drain",
				"0s",
				"--log-format",
				"json",
				...this.flags,
			],
			{ stdio: ["ignore", "ignore", "pipe"] },
		);
		this.#process = process;
		await new Promise((resolve, reject) => {
			process.once("error", reject);
			process.once("exit", () => reject(new Error(`the hub ended: ${this.log.join("\n")}`)));
			createInterface({ input: /** @type {import("node:stream").Readable} */ (process.stderr) }).on(
				"line",
				(line) => {
					this.log.push(line);
					const said = JSON.parse(line);
					if (said.msg === "the hub is ready") {
						this.public = said.public
							? `https://localhost:${said.public.split(":").pop()}`
							: this.public; // or the address of a proxy
						this.internal = said.publish;
						resolve(undefined);
					}
					this.key = said.spki_sha256 ?? this.key;
				},
			);
		});
	}

	/** @param {NodeJS.Signals} [signal] */
	async stop(signal = "SIGTERM") {
		const process = this.#process;
		this.#process = undefined;
		if (process && process.exitCode === null) {
			const ended = new Promise((resolve) => process.once("exit", resolve));
			process.kill(signal);
			await ended;
		}
	}

	/** Leaves it no processor: its connections stay open, and nothing comes. */
	pause() {
		this.#process?.kill("SIGSTOP");
	}

	goOn() {
		this.#process?.kill("SIGCONT");
	}

	async end() {
		this.goOn();
		await this.stop();
		await rm(this.state, { recursive: true });
	}

	/** Publishes with curl, as the README does. @param {...Record<string, any>} positions */
	async publish(...positions) {
		const { stdout } = await run("curl", [
			"-sS",
			"--fail-with-body",
			`${this.internal}/publish`,
			"-H",
			"Content-Type: application/json",
			"-d",
			JSON.stringify(positions),
		]);
		const ack = JSON.parse(stdout);
		if (ack.accepted + ack.duplicate !== positions.length) {
			throw new Error(stdout);
		}
		return ack;
	}

	/** @param {string} id */
	async remove(id) {
		await fetch(`${this.internal}/vehicles/${encodeURIComponent(id)}`, { method: "DELETE" });
	}

	/** Removes all vehicles, also those whose ids no path can name. */
	async clear() {
		await fetch(`${this.internal}/vehicles?topic=live_updates:all`, { method: "DELETE" });
	}

	/** What the hub holds, by vehicle. @returns {Promise<Map<string, any>>} */
	async truth() {
		const answer = await fetch(`${this.internal}/topics/live_updates:all/snapshot`);
		const { features } = await answer.json();
		return new Map(features.map((/** @type {any} */ f) => [f.id, f]));
	}

	/** @param {string[]} args of another command, which talks to this hub */
	command(...args) {
		return spawn(PROGRAM, args, {
			env: { ...process.env, LIVEMAP_TO: this.internal },
			stdio: ["ignore", "ignore", "ignore"],
		});
	}

	/** A browser that speaks HTTP/3 with this hub and trusts its certificate. @param {Drawing} [drawing] */
	browser(drawing) {
		return browser(
			drawing,
			`--origin-to-force-quic-on=${new URL(this.public).host}`,
			`--ignore-certificate-errors-spki-list=${this.key}`,
		);
	}
}

/**
 * What draws the map: MapLibre with WebGL2 in software, or the page's own outlines, which take a tenth of the
 * time. Tests that look at nothing of MapLibre's take the latter.
 * @typedef {"webgl" | "plain"} Drawing
 */
/** @type {Record<Drawing, string[]>} */
const DRAWING = {
	webgl: ["--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"],
	plain: ["--disable-gpu", "--disable-3d-apis"],
};

/** Debian's Chromium, or that of CHROMIUM. @param {Drawing} [drawing] @param {...string} args */
export async function browser(drawing = "plain", ...args) {
	const executablePath = process.env.CHROMIUM ?? BROWSERS.find((path) => existsSync(path));
	if (!executablePath) {
		throw new Error("no Chromium: make browser installs it, or CHROMIUM names it");
	}
	const headless = ["--no-sandbox", "--disable-dev-shm-usage", ...DRAWING[drawing]];
	return chromium.launch({ executablePath, args: [...headless, ...args] });
}

/**
 * A page, with the errors and warnings of its console.
 * @typedef {{page: import("playwright-core").Page, complaints: string[]}} Opened
 */

/**
 * Opens the hub's page and waits, by default until it is live.
 * @param {Hub} hub
 * @param {import("playwright-core").Browser} browser
 * @param {string} [hash]
 * @param {import("playwright-core").BrowserContextOptions} [options]
 * @param {(page: import("playwright-core").Page) => Promise<unknown>} [prepare] before anything is loaded
 * @param {(page: import("playwright-core").Page) => Promise<unknown>} [arrived] what is waited for
 * @returns {Promise<Opened>}
 */
export async function open(hub, browser, hash = "", options = {}, prepare = async () => {}, arrived = live) {
	const context = await browser.newContext({
		viewport: { width: 1280, height: 800 },
		reducedMotion: "no-preference",
		...options,
	});
	context.setDefaultTimeout(LIMIT);
	const page = await context.newPage();
	/** @type {string[]} */
	const complaints = [];
	page.on(
		"console",
		(message) =>
			["error", "warning"].includes(message.type()) &&
			complaints.push(`${message.type()}: ${message.text()} ${message.location().url}`),
	);
	page.on("pageerror", (error) => complaints.push(`${error.stack}`));
	await prepare(page);
	await page.goto(`${hub.public}/${hash}`);
	await arrived(page);
	return { page, complaints };
}

/** @param {import("playwright-core").Page} page */
export const live = (page) => page.waitForFunction(() => window.livemap?.status().phase === "live");

/**
 * Waits until the map is completely drawn and does not move.
 * @param {import("playwright-core").Page} page
 */
export const rest = (page) => page.waitForFunction(() => window.livemap?.idle());

/**
 * Waits for a vehicle to be drawn by itself.
 * @param {import("playwright-core").Page} page
 * @param {string} id
 */
export async function drawn(page, id) {
	await page.waitForFunction((id) => Boolean(window.livemap?.drawn(id)), id);
	return /** @type {{left: number, top: number, state: string}} */ (
		await page.evaluate((id) => window.livemap.drawn(id), id)
	);
}

/** The time in Unix seconds. */
export const now = () => Math.round(Date.now()) / 1000;

/**
 * The colour of one pixel of the page on the screen.
 * @param {import("playwright-core").Page} page
 * @param {{left: number, top: number}} at CSS pixels of the map
 * @returns {Promise<number[]>} red, green, blue
 */
export async function pixel(page, { left, top }) {
	const box = await page.locator("#map").boundingBox();
	const clip = {
		x: Math.round((box?.x ?? 0) + left),
		y: Math.round((box?.y ?? 0) + top),
		width: 1,
		height: 1,
	};
	const png = await page.screenshot({ clip });
	let data = Buffer.alloc(0);
	for (let at = 8; at < png.length; at += 12 + png.readUInt32BE(at)) {
		if (png.toString("latin1", at + 4, at + 8) === "IDAT") {
			data = Buffer.concat([data, png.subarray(at + 8, at + 8 + png.readUInt32BE(at))]);
		}
	}
	return [...inflateSync(data).subarray(1, 4)]; // the row of one pixel, after its filter byte
}
