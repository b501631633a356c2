/**
 * The page in Firefox, without WebGL: the same truth as in Chromium.
 */
import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Firefox, FIREFOX } from "./firefox.mjs";
import { Hub, LIMIT, now } from "./hub.mjs";

const BERLIN = { lon: 13.404954, lat: 52.520008 };
/** On CI a missing Firefox is a failure. */
const skip =
	FIREFOX === undefined &&
	process.env.CI !== "true" &&
	"there is no Firefox: make clients installs it, or FIREFOX names it";

describe("the page in Firefox", { timeout: 10 * LIMIT, skip }, () => {
	/** @type {Hub} */
	let hub;
	/** @type {Firefox} */
	let firefox;
	/** @type {import("./firefox.mjs").Tab[]} */
	let tabs = [];

	before(async () => {
		hub = await Hub.start(["--heartbeat", "1s"]);
		firefox = await Firefox.start();
	});
	after(async () => {
		await firefox?.end();
		await hub?.end();
	});
	afterEach(async () => {
		await Promise.all(tabs.splice(0).map((tab) => tab.close()));
		await hub.clear();
		assert.deepEqual(firefox.complaints.splice(0), []);
	});

	/** Opens the page, and waits until it is live. @param {string} hash */
	async function show(hash) {
		const tab = await firefox.open(`${hub.public}/${hash}`);
		tabs.push(tab);
		await tab.until(() => window.livemap?.status().phase === "live");
		return tab;
	}

	test("draws outlines without WebGL, and a click selects", async () => {
		await hub.publish({ vehicle_id: "VAN-7", ...BERLIN, speed_kmh: 4 });
		const tab = await show("#map=6/53/13");
		await tab.until(() => window.livemap.idle());
		await tab.says("#simple-map", /^Simple map$/);
		assert.deepEqual(await tab.ground([15, 54.7]), [207, 223, 234], "the Baltic Sea");
		assert.deepEqual(await tab.ground([12, 52.9]), [244, 242, 238], "Brandenburg");
		const at = await tab.until(() => {
			const { left, top } = document.querySelector("#map")?.getBoundingClientRect() ?? { left: 0, top: 0 };
			const mark = window.livemap.drawn("VAN-7");
			return mark && { x: left + mark.left, y: top + mark.top };
		});
		await tab.click(at.x, at.y);
		await tab.says("#details", /VAN-7 Moving, last fix .* Speed 4 km\/h/);
	});

	test("marks guesses, draws across the antimeridian, and lists the whole fleet", async () => {
		const t = now();
		await hub.publish(
			{ vehicle_id: "GUESS-1", lon: 179.9995, lat: -17, timestamp: t - 20 },
			{ vehicle_id: "GUESS-1", lon: -179.9995, lat: -17, timestamp: t - 10 },
			{ vehicle_id: "EAST", lon: 179.99, lat: -17, speed_kmh: 0 },
			{ vehicle_id: "WEST", lon: -179.99, lat: -17, speed_kmh: 0 },
			{ vehicle_id: "FAR-1", lon: -70, lat: 40, speed_kmh: 50 },
		);
		const tab = await show("#map=13/-17/-179.995");
		await tab.says("#filter", /All 4 Moving 1 Parked 2 Unknown 1 Silent 0/);
		await tab.says("#list", /FAR-1 50 km\/h/);
		await tab.says("#summary", /^4 vehicles/);
		await tab.until(() => {
			const [east, west] = ["EAST", "WEST"].map((id) => window.livemap.drawn(id));
			return east && west && east.left < west.left && west.left - east.left < 300;
		});
		await hub.publish({ vehicle_id: "GUESS-1", lon: -179.9985, lat: -17, timestamp: t });
		await tab.says("#list", /GUESS-1 ~\d+ km\/h ~E/);
		await tab.until(() => window.livemap.drawn("GUESS-1")?.guess === true);
	});

	test("shows numbers, long values and odd ids as they are", async () => {
		const cyrillic = "V\u0410N-1";
		await hub.publish({ vehicle_id: cyrillic, ...BERLIN, speed_kmh: 0 });
		await hub.publish({ vehicle_id: "VAN-1", ...BERLIN, speed_kmh: 0 });
		await hub.publish({ vehicle_id: "VAN\u00A07", ...BERLIN, speed_kmh: 0 });
		const answer = await fetch(`${hub.internal}/publish`, {
			method: "POST",
			headers: { "Content-Type": "application/json" },
			body: `{"vehicle_id":"EXACT-1","lon":13.4,"lat":52.5,"speed_kmh":1e308,"tiny":1e-9,
				"serial":12345678901234567891,"log":"${"y".repeat(12_000)}"}`,
		});
		assert.equal(answer.status, 200);
		const tab = await show("#map=14/52.5/13.4&vehicle=EXACT-1");
		await tab.says("#details", /Speed 1e\+308 km\/h.* Tiny 1e-9 Serial 12345678901234567891 Log y{160}…/);
		await tab.says("#list", /VANU\+00A07 Parked/);
		await tab.says("#list", /VAN-1 A Latin Parked/);
		await tab.says("#list", /V\u0410N-1 \u0410 Cyrillic Parked/);
	});

	test("has one rule for what is silent, in every tab", async () => {
		const t = now();
		const one = await show("#map=13/52.52/13.4");
		await hub.publish(
			{ vehicle_id: "DRIVES", ...BERLIN, speed_kmh: 50, timestamp: t - 90 },
			{ vehicle_id: "PARKS", ...BERLIN, speed_kmh: 0, timestamp: t - 90 },
			{ vehicle_id: "SAYS", ...BERLIN, speed_kmh: 50, timestamp: t - 90, expect_within_s: 1800 },
		);
		const other = await show("#map=3/0/0");
		for (const tab of [one, other]) {
			await tab.says("#filter", /All 3 Moving 1 Parked 1 Silent 1/);
			await tab.says("#list", /DRIVES Silent .*PARKS Parked .*SAYS 50 km\/h/);
		}
	});

	test("freezes with a dead connection, and makes no vehicle silent for that", async () => {
		const tab = await show("#map=15/52.52/13.4");
		const driving = { vehicle_id: "VAN-7", ...BERLIN, speed_kmh: 40, heading: 90, stale_after_s: 5 };
		await hub.publish({ ...driving, timestamp: now() });
		await tab.until(() => window.livemap.drawn("VAN-7")?.state === "moving");
		hub.pause();
		try {
			await tab.says("#band", /^Not live: positions as of \d+:\d\d:\d\d.* \((now|\d+ s ago)\)$/);
			await tab.says("#filter", /All 1 Moving 1 Parked 0 Silent 0/); // though its fix is too old by now
			const mark = await tab.evaluate(() => window.livemap.drawn("VAN-7"));
			const fix = await tab.evaluate(({ lon, lat }) => window.livemap.project([lon, lat]), BERLIN);
			assert.equal(mark?.state, "moving");
			assert.ok(Math.hypot(mark.left - fix.x, mark.top - fix.y) < 1, "at its last fix");
		} finally {
			hub.goOn();
		}
		await tab.until(() => document.querySelector("#band")?.checkVisibility() === false);
		await tab.says("#filter", /Moving 0 Parked 0 Silent 1/);
		firefox.complaints = firefox.complaints.filter((c) => !/connection to .*\/stream/.test(c));
	});
});

describe("tabs in Firefox over HTTP/1.1", { timeout: 10 * LIMIT, skip }, () => {
	/** @type {Hub} */
	let hub;
	/** @type {Firefox} */
	let firefox;

	before(async () => {
		hub = await Hub.start(["--heartbeat", "1s"]);
		firefox = await Firefox.start({ "network.http.http2.enabled": false, "network.http.http3.enable": false });
	});
	after(async () => {
		await firefox?.end();
		await hub?.end();
	});

	/** The streams that the hub serves, by protocol. */
	async function streams() {
		const metrics = await (await fetch(`${hub.internal}/metrics`)).text();
		const counts = [...metrics.matchAll(/^livemap_streams_open\{protocol="(\w+)"\} ([1-9]\d*)$/gm)];
		return counts.map(([, protocol, count]) => `${count} ${protocol}`).join();
	}

	/** @param {string} wanted */
	async function settled(wanted) {
		for (let end = Date.now() + LIMIT; (await streams()) !== wanted; await sleep(50)) {
			assert.ok(Date.now() < end, `${await streams()} instead of ${wanted}`);
		}
	}

	test("share a stream, and one without a SharedWorker has its own", async () => {
		await hub.publish({ vehicle_id: "VAN-7", ...BERLIN, speed_kmh: 0 });
		const url = `${hub.public}/#map=3/50/13`;
		const isLive = () => window.livemap?.status().phase === "live";
		const shared = [await firefox.open(url), await firefox.open(url)];
		for (const tab of shared) {
			await tab.until(isLive);
			assert.equal(await tab.evaluate(() => window.livemap.status().protocol), "h1");
		}
		await settled("1 h1");
		const alone = await firefox.open(url, () => Reflect.deleteProperty(globalThis, "SharedWorker"));
		await alone.until(isLive);
		assert.equal(await alone.evaluate(() => typeof SharedWorker), "undefined");
		await settled("2 h1");
		await hub.publish({ vehicle_id: "VAN-7", ...BERLIN, speed_kmh: 44 });
		for (const tab of [...shared, alone]) {
			await tab.says("#list", /VAN-7 44 km\/h/);
		}
		await shared[0].close();
		await hub.publish({ vehicle_id: "VAN-7", ...BERLIN, speed_kmh: 55 });
		await shared[1].says("#list", /VAN-7 55 km\/h/);
		await settled("2 h1");
		await shared[1].close();
		await settled("1 h1");
		await alone.close();
		await settled("");
		assert.deepEqual(firefox.complaints, []);
	});
});
