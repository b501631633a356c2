/**
 * The page behind Caddy over HTTP/3: through reloads and restarts, and with UDP lost for good.
 */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { after, before, describe, test } from "node:test";
import { live, LIMIT, open } from "../hub.mjs";
import { ProxiedHub } from "./caddy.mjs";

/** @type {ProxiedHub} */
let hub;

before(async () => {
	hub = await ProxiedHub.start();
});

after(() => hub?.end());

/** Fleet drives until it is stopped, and publishes unacknowledged positions again. */
class Fleet {
	static begun = 0; // each fleet continues after the previous one
	round = (Fleet.begun += 1e6);
	#first = this.round;
	#stopped = false;
	#done = this.#drive();

	async #drive() {
		while (!this.#stopped) {
			const n = this.round + 1;
			const positions = Array.from({ length: 20 }, (_, i) => ({
				vehicle_id: `V-${i}`,
				lon: 13 + i / 50,
				lat: 52.5 + (n % 1000) / 1e4,
				timestamp: 1.7e9 + n,
				n,
			}));
			await hub.publish(...positions).then(
				() => {
					this.round = n;
				},
				() => {},
			); // the hub may be away
			await sleep(50);
		}
	}

	/** Waits until it has published. */
	begins() {
		return until("positions", () => this.round > this.#first);
	}

	async stop() {
		this.#stopped = true;
		await this.#done;
	}
}

/**
 * The protocols of the page's streams, as the browser reports them.
 * @param {import("playwright-core").Page} page
 */
async function streams(page) {
	/** @type {{at: number, protocol: string}[]} */
	const opened = [];
	const session = await page.context().newCDPSession(page);
	session.on("Network.responseReceived", ({ response }) => {
		if (response.mimeType === "text/event-stream" && response.status === 200) {
			opened.push({ at: Date.now(), protocol: response.protocol ?? "" });
		}
	});
	await session.send("Network.enable");
	return opened;
}

/**
 * Waits until a condition holds.
 * @param {string} what
 * @param {() => boolean} holds
 * @param {number} [limit] ms
 */
async function until(what, holds, limit = 2 * LIMIT) {
	for (const end = Date.now() + limit; !holds(); await sleep(50)) {
		assert.ok(Date.now() < end, `waited in vain: ${what}`);
	}
}

/**
 * Waits until the page agrees with the hub, with all vehicles at their last position.
 * @param {import("playwright-core").Page} page
 * @param {number} n
 */
async function agrees(page, n) {
	/** @param {Iterable<any>} features */
	const numbers = (features) => Object.fromEntries([...features].map((f) => [f.id, f.properties.n]).sort());
	const truth = numbers((await hub.truth()).values());
	assert.deepEqual([...new Set(Object.values(truth))], [n]);
	assert.equal(Object.keys(truth).length, 20);
	for (const end = Date.now() + LIMIT; ; await sleep(100)) {
		const shown = numbers(await page.evaluate(() => window.livemap.vehicles()));
		if (JSON.stringify(shown) === JSON.stringify(truth)) {
			return;
		}
		if (Date.now() > end) {
			assert.deepEqual(shown, truth);
		}
	}
}

/**
 * Waits until the page is live and shows positions published after the call.
 * @param {import("playwright-core").Page} page
 * @param {Fleet} fleet
 */
async function follows(page, fleet) {
	const round = fleet.round;
	await page.waitForFunction(
		(round) =>
			window.livemap.status().phase === "live" &&
			window.livemap.vehicles().every((v) => v.properties.n > round),
		round,
		{ timeout: 2 * LIMIT },
	);
}

const seconds = (/** @type {number} */ since) => `${((Date.now() - since) / 1000).toFixed(1)} s`;

describe("the page behind Caddy", { timeout: 15 * LIMIT }, () => {
	test("recovers over HTTP/3 from reloads, restarts of the hub, and a kill of Caddy", async (t) => {
		const chromium = await hub.browser();
		const fleet = new Fleet();
		try {
			await fleet.begins();
			/** @type {{at: number, protocol: string}[]} */
			let opened = [];
			const { page } = await open(hub, chromium, "#map=9/52.5/13.2", {}, async (page) => {
				await hub.signIn(page);
				opened = await streams(page);
			});
			await until("a stream", () => opened.length > 0);
			for (let round = 0; round < 2; round++) {
				let before = opened.length;
				let began = Date.now();
				await hub.reload();
				await until("the stream to be cut and resumed", () => opened.length > before);
				await follows(page, fleet);
				assert.equal(
					await page.evaluate(() => window.livemap.status().state),
					"newest",
					"it went on from its id, with the newest of each vehicle",
				);
				t.diagnostic(`resumed ${seconds(began)} after a reload`);

				before = opened.length;
				began = Date.now();
				await hub.stop();
				await hub.run();
				await until("the next hub's stream", () => opened.length > before);
				await follows(page, fleet);
				assert.equal(
					await page.evaluate(() => window.livemap.status().state),
					"newest",
					"the next hub has its journal",
				);
				t.diagnostic(`right again ${seconds(began)} after the hub's SIGTERM`);
			}
			const before = opened.length;
			const began = Date.now();
			await hub.stopCaddy("SIGKILL");
			await hub.runCaddy();
			await until("a stream of the next Caddy", () => opened.length > before);
			await follows(page, fleet);
			t.diagnostic(`right again ${seconds(began)} after Caddy's kill -9`);

			await fleet.stop();
			await live(page);
			await agrees(page, fleet.round);
			assert.deepEqual([...new Set(opened.map((stream) => stream.protocol))], ["h3"], "every stream");
			const hops = await page.evaluate(() =>
				performance
					.getEntries()
					.flatMap(
						(entry) =>
							("nextHopProtocol" in entry &&
								entry.name.startsWith(location.origin) &&
								entry.nextHopProtocol) ||
							[],
					),
			);
			assert.ok(hops.length > 3);
			assert.deepEqual([...new Set(hops)], ["h3"], "everything");
			assert.equal(
				await page.evaluate(() => window.livemap.status().protocol),
				"h3",
				"what the connection line shows",
			);
		} finally {
			await fleet.stop();
			await chromium.close();
		}
	});

	test("continues over HTTP/2 when UDP is lost after it had learned of HTTP/3", async (t) => {
		const chromium = await hub.browser("plain", false);
		const fleet = new Fleet();
		try {
			await fleet.begins();
			/** @type {{at: number, protocol: string}[]} */
			let opened = [];
			const { page } = await open(hub, chromium, "#map=9/52.5/13.2", {}, async (page) => {
				await hub.signIn(page);
				opened = await streams(page);
			});
			await until("a stream", () => opened.length > 0);
			for (let tries = 0; opened.at(-1)?.protocol !== "h3"; tries++) {
				// the first connections are without Alt-Svc
				assert.ok(tries < 10, JSON.stringify(opened));
				const before = opened.length;
				await page.reload();
				await live(page);
				await until("a stream", () => opened.length > before);
			}
			const before = opened.length;
			const began = Date.now();
			hub.network.losesUDP = true;
			await until("another stream", () => opened.length > before);
			t.diagnostic(`a stream over ${opened.at(-1)?.protocol} ${seconds(began)} after UDP was lost`);
			await follows(page, fleet);
			assert.equal(opened.at(-1)?.protocol, "h2");
			await fleet.stop();
			await live(page);
			await agrees(page, fleet.round);
			assert.equal(await page.evaluate(() => window.livemap.status().protocol), "h2");
		} finally {
			hub.network.losesUDP = false;
			await fleet.stop();
			await chromium.close();
		}
	});
});
