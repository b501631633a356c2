/**
 * picture.mjs draws map.png, the picture of the map in README, and three more: a simulated fleet of a fixed
 * seed on the streets of Florence. `make picture` runs it; it needs an archive of those streets
 * (node picture.mjs [ARCHIVE]).
 */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { VectorTile } from "@mapbox/vector-tile";
import { PbfReader } from "pbf";
import { PMTiles } from "pmtiles";
import { Hub, now, open, rest, ROOT, STREETS } from "./hub.mjs";
import { reduceColours } from "./png.mjs";

/** @typedef {[number, number]} Point longitude, latitude in degrees */

const ARCHIVE = process.argv[2] ?? STREETS;
const SEED = 12;
const VIEW = { zoom: 14.6, lon: 11.2535, lat: 43.7706 };
const SELECTED = "BUS-7";
/** Further telemetry of the selected vehicle. */
const EXTRA = { driver: "Ada Conti", battery_percent: 62, passengers: 31, next_stop: "Porta al Prato" };
const KINDS = [
	{ name: "BUS", kind: "bus", count: 14, roads: /major|medium|minor/, speed: 28 },
	{ name: "TAXI", kind: "taxi", count: 14, roads: /major|medium|minor/, speed: 42 },
	{ name: "VAN", kind: "van", count: 22, roads: /major|medium|minor/, speed: 34 },
	{ name: "TRUCK", kind: "truck", count: 10, roads: /major|medium|minor/, speed: 38 },
	{ name: "BIKE", kind: "cargo bike", count: 10, roads: /major|medium|minor/, speed: 16 },
];
/** One vehicle of so many is silent. */
const SILENT = 17;

/** The same numbers from 0 to 1 in every run (mulberry32). @param {number} seed */
function generator(seed) {
	return () => {
		seed = (seed + 0x6d2b79f5) | 0;
		let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
		t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
		return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
	};
}

/**
 * The lines of the archive's roads around the view, with their kind.
 * @returns {Promise<{kind: string, line: Point[]}[]>}
 */
async function roads() {
	const bytes = await readFile(ARCHIVE);
	const archive = new PMTiles({
		getKey: () => ARCHIVE,
		getBytes: async (offset, length) => ({
			data: new Uint8Array(bytes.subarray(offset, offset + length)).buffer,
		}),
	});
	const found = [];
	const [x, y] = [tileX(VIEW.lon), tileY(VIEW.lat)];
	for (const dx of [-1, 0, 1]) {
		for (const dy of [-1, 0, 1]) {
			const tile = await archive.getZxy(14, x + dx, y + dy);
			const layer = tile && new VectorTile(new PbfReader(new Uint8Array(tile.data))).layers.roads;
			for (let i = 0; layer && i < layer.length; i++) {
				const feature = layer.feature(i);
				const { geometry } = feature.toGeoJSON(x + dx, y + dy, 14);
				const kind = String(feature.properties.kind ?? feature.properties["pmap:kind"]);
				if (geometry.type === "LineString") {
					found.push({ kind, line: /** @type {Point[]} */ (geometry.coordinates) });
				} else if (geometry.type === "MultiLineString") {
					found.push(
						...geometry.coordinates.map((line) => ({
							kind,
							line: /** @type {Point[]} */ (line),
						})),
					);
				}
			}
		}
	}
	return found;
}

/** @param {number} lon */
const tileX = (lon) => Math.floor(((lon + 180) / 360) * 2 ** 14);
/** @param {number} lat */
const tileY = (lat) =>
	Math.floor((0.5 - Math.asinh(Math.tan((lat * Math.PI) / 180)) / (2 * Math.PI)) * 2 ** 14);

/** Metres from a to b. @param {Point} a @param {Point} b */
const metres = (a, b) => 111_195 * Math.hypot((b[0] - a[0]) * Math.cos((a[1] * Math.PI) / 180), b[1] - a[1]);
/** Degrees clockwise from north, from a to b. @param {Point} a @param {Point} b */
const bearing = (a, b) =>
	((Math.atan2((b[0] - a[0]) * Math.cos((a[1] * Math.PI) / 180), b[1] - a[1]) * 180) / Math.PI + 360) % 360;

/** @param {Point} p */
const key = (p) => p.map((v) => v.toFixed(5)).join();

/** The points to which a road leads from each point. @param {Point[][]} lines */
function neighbours(lines) {
	/** @type {Map<string, Point[]>} */
	const next = new Map();
	for (const line of lines) {
		line.forEach((p, i) => {
			const beside = [line[i - 1], line[i + 1]].filter((q) => q && key(q) !== key(p));
			next.set(key(p), [...(next.get(key(p)) ?? []), ...beside]);
		});
	}
	return next;
}

/** @typedef {{next: Map<string, Point[]>, starts: Point[]}} Network of roads; drives start in view */

/**
 * A drive along roads. At each crossing it mostly takes the road that turns least.
 * @param {Network} network
 * @param {() => number} random
 * @param {number} length metres
 * @returns {Point[]}
 */
function drive({ next, starts }, random, length) {
	const start = starts[Math.floor(random() * starts.length)];
	const path = [start];
	for (let driven = 0; driven < length;) {
		const here = path[path.length - 1];
		const before = path[path.length - 2];
		const ways = (next.get(key(here)) ?? []).filter((q) => !path.some((p) => key(p) === key(q)));
		if (ways.length === 0) {
			break;
		}
		/** @param {Point} q */
		const turn = (q) =>
			before ? Math.abs(((bearing(here, q) - bearing(before, here) + 540) % 360) - 180) : random();
		ways.sort((a, b) => turn(a) - turn(b));
		const way = ways[random() < 0.85 ? 0 : Math.floor(random() * ways.length)];
		driven += metres(here, way);
		path.push(way);
	}
	return path;
}

/**
 * The drive that gets farthest, of many that stay in view.
 * @param {Network} network
 * @param {() => number} random
 */
function longDrive(network, random) {
	const drives = Array.from({ length: 150 }, () => drive(network, random, 2400)).filter((path) =>
		path.every(
			([lon, lat]) => Math.abs(lon - VIEW.lon + 0.002) < 0.009 && Math.abs(lat - VIEW.lat) < 0.0065,
		),
	);
	const length = (/** @type {Point[]} */ path) => metres(path[0], path[path.length - 1]);
	return drives.reduce((a, b) => (length(b) > length(a) ? b : a));
}

/** Points along a path, so many metres from each other. @param {Point[]} path @param {number} step */
function spaced(path, step) {
	/** @type {{at: Point, heading: number}[]} */
	const out = [];
	let due = 0;
	for (let i = 1; i < path.length; i++) {
		const [a, b] = [path[i - 1], path[i]];
		const length = metres(a, b);
		for (; due <= length; due += step) {
			const part = due / length;
			out.push({
				at: [a[0] + part * (b[0] - a[0]), a[1] + part * (b[1] - a[1])],
				heading: bearing(a, b),
			});
		}
		due -= length;
	}
	return out;
}

/**
 * The fleet: the last minutes of each vehicle, in order, without times.
 * @returns {Promise<Record<string, any>[][]>}
 */
async function fleet() {
	const random = generator(SEED);
	const all = await roads();
	return KINDS.flatMap(({ name, kind, count, roads, speed }) => {
		const lines = all.filter(({ kind }) => roads.test(kind)).map(({ line }) => line);
		const starts = lines.flat().filter((p) => metres(p, [VIEW.lon, VIEW.lat]) < 1100);
		const network = { next: neighbours(lines), starts };
		return Array.from({ length: count }, (_, i) => {
			const id = `${name}-${i + 1}`;
			const parked = random() < 0.2 && id !== SELECTED;
			const kmh = parked ? 0 : Math.round(speed * (0.7 + 0.6 * random()));
			const path = id === SELECTED ? longDrive(network, random) : drive(network, random, 300);
			return spaced(path, 15).map(({ at: [lon, lat], heading }) => ({
				vehicle_id: id,
				kind,
				lon: Number(lon.toFixed(6)),
				lat: Number(lat.toFixed(6)),
				speed_kmh: kmh,
				heading: Math.round(heading),
				...(id === SELECTED && EXTRA),
			}));
		}).filter((track) => track.length > 1);
	});
}

/** @typedef {import("playwright-core").BrowserContextOptions} Screen */

/**
 * The pictures: where each looks, on which screen, and what is opened before it is taken.
 * @type {{name: string, hash: string, screen: Screen, open?: string}[]}
 */
const PICTURES = [
	{
		name: "map",
		hash: `#map=${VIEW.zoom}/${VIEW.lat}/${VIEW.lon}&vehicle=${SELECTED}`,
		screen: { viewport: { width: 1280, height: 720 } },
	},
	{
		name: "streets",
		hash: "#map=15.7/43.7752/11.2482&colour=kind",
		screen: { viewport: { width: 1000, height: 640 } },
		open: "#legend summary",
	},
	{
		name: "dark",
		hash: "#map=13/43.7706/11.2535",
		screen: { viewport: { width: 1000, height: 640 }, colorScheme: "dark" },
		open: "#legend summary",
	},
	{
		name: "phone",
		hash: `#vehicle=${SELECTED}`,
		screen: {
			viewport: { width: 390, height: 760 },
			deviceScaleFactor: 1.5,
			hasTouch: true,
			isMobile: true,
		},
	},
];

const hub = await Hub.start(["--map-pmtiles", ARCHIVE]);
const browser = await hub.browser("webgl");
try {
	const tracks = await fleet();
	const time = now();
	for (const [n, track] of tracks.entries()) {
		const age = n % SILENT === 0 && track[0].vehicle_id !== SELECTED ? 600 : 0;
		const past = track
			.slice(0, -1)
			.map((p, i) => ({ ...p, timestamp: time - age - 2 * (track.length - i) }));
		await hub.publish(...past);
	}
	for (const { name, hash, screen, open: toOpen } of PICTURES) {
		const { page, complaints } = await open(hub, browser, hash, {
			colorScheme: "light",
			reducedMotion: "reduce", // draws vehicles at their fixes, which are on the roads
			...screen,
		});
		if (hash.includes(SELECTED)) {
			await page.waitForFunction(() => window.livemap.trail() > 10);
		}
		if (toOpen) {
			await page.locator(toOpen).click();
		}
		await rest(page);
		const driving = tracks.filter((_, i) => i % SILENT !== 0 || tracks[i][0].vehicle_id === SELECTED);
		await hub.publish(...driving.map((track) => ({ ...track[track.length - 1], timestamp: now() })));
		await page.waitForFunction(() =>
			window.livemap.vehicles().some((v) => Date.now() / 1000 - v.properties.timestamp < 5),
		);
		await page.waitForTimeout(3000); // the names of the map give way to the labels
		await hub.publish(...driving.map((track) => ({ ...track[track.length - 1], timestamp: now() })));
		await rest(page);
		const png = reduceColours(await page.screenshot());
		if (complaints.length > 0) {
			throw new Error(complaints.join("\n"));
		}
		await writeFile(join(ROOT, `web/${name}.png`), png);
		console.log(`web/${name}.png: ${Math.round(png.length / 1024)} KB`);
		await page.context().close();
	}
} finally {
	await browser.close();
	await hub.end();
}
