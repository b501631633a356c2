// The base map's styles are valid and legible, and its data is complete.
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { gzipSync } from "node:zlib";
import { VectorTile } from "@mapbox/vector-tile";
import { validateStyleMin } from "@maplibre/maplibre-gl-style-spec";
import { PbfReader } from "pbf";
import { basemap } from "../build/basemap.mjs";
import { tile } from "../src/map/basemap-atlas.js";
import { baseStyle, naturalEarth, streetAreas, streets } from "../src/map/basemap.js";
import { isWithin } from "../src/map/street-hint.js";
import { contrast } from "./contrast.mjs";

const CITY = new URL("../../cmd/livemap/streets/firenze.pmtiles", import.meta.url);
const lib = "/lib/abc/";
const header = /** @type {any} */ ({
	tileType: 1,
	minZoom: 0,
	maxZoom: 14,
	minLon: 11.15,
	minLat: 43.72,
	maxLon: 11.33,
	maxLat: 43.84,
});
const planet = { ...header, minLon: -180, minLat: -85, maxLon: 180, maxLat: 85 };
const metadata = { vector_layers: ["earth", "water", "roads"].map((id) => ({ id })) };
const town = { url: "http://localhost/map.pmtiles", metadata, header };
const second = {
	...town,
	url: "http://localhost/map-2.pmtiles",
	header: { ...header, minLon: 11.4, maxLon: 11.7, minZoom: 6 },
};
const image = { ...town, metadata: {}, header: { ...header, tileType: 2 } };

/** @type {Record<string, (dark: boolean) => any>} */
const styles = {
	world: (dark) => naturalEarth({ lib, dark }),
	"streets of a town": (dark) => streets({ archives: [town], dark, lib }),
	"streets of the planet": (dark) => streets({ archives: [{ ...town, header: planet }], dark, lib }),
	"raster tiles": (dark) => streets({ archives: [image], dark, lib }),
	"two towns and an image": (dark) => streets({ archives: [town, second, image], dark, lib }),
};

for (const [name, style] of Object.entries(styles)) {
	test(`${name}: MapLibre takes the style, light and dark`, () => {
		for (const dark of [false, true])
			assert.deepEqual(
				validateStyleMin(style(dark)).map((e) => e.message),
				[],
			);
	});

	test(`${name}: light and dark differ in paint alone`, () => {
		const bare = (/** @type {boolean} */ dark) =>
			style(dark).layers.map((/** @type {any} */ { paint, ...layer }) => layer);
		assert.deepEqual(bare(true), bare(false));
		assert.deepEqual(style(true).sources, style(false).sources);
		assert.notDeepEqual(style(true).layers, style(false).layers);
	});

	test(`${name}: every text contrasts with its halo by 4.5 to 1`, () => {
		for (const dark of [false, true])
			for (const { id, type, paint } of style(dark).layers) {
				if (type !== "symbol") continue;
				const texts = colors(paint["text-color"]),
					halos = colors(paint["text-halo-color"]);
				assert.ok(texts.length && halos.length && paint["text-halo-width"] > 0, id);
				for (const text of texts)
					for (const halo of halos) {
						const ratio = contrast(text, halo);
						assert.ok(
							ratio >= 4.5,
							`${id}, ${dark ? "dark" : "light"}: ${text} on ${halo} is ${ratio.toFixed(2)}`,
						);
					}
			}
	});
}

test("every source has its attribution, the archive's own first", () => {
	const of = (/** @type {any} */ style) =>
		Object.values(style.sources)
			.map((s) => s.attribution)
			.join();
	assert.match(of(styles.world(false)), /Natural Earth.*SimpleMaps.*CC BY 4\.0/);
	assert.match(of(styles["streets of a town"](false)), /© OpenStreetMap contributors/);
	assert.match(
		of(
			streets({
				archives: [{ ...town, metadata: { ...metadata, attribution: "The mapmakers" } }],
				dark: false,
				lib,
			}),
		),
		/The mapmakers/,
	);
});

test("an archive of another schema is reported, and the world is drawn", () => {
	/** @type {string[]} */
	const said = [];
	const other = { ...second, metadata: { vector_layers: [{ id: "transportation" }] } };
	const draw = (/** @type {any[]} */ ...archives) =>
		streets({ archives, dark: false, lib, report: (m) => said.push(m) });
	assert.equal(draw(other).sources.streets, undefined);
	assert.match(said.join(), /map-2\.pmtiles.*transportation/);
	assert.deepEqual(draw(other, town), draw(town), "the others are drawn");
});

test("each archive has its own source and layers, and the world's names give way to all", () => {
	const style = /** @type {any} */ (styles["two towns and an image"](false));
	assert.deepEqual(
		["streets", "streets-2", "streets-3"].map((name) => style.sources[name].url),
		[town, second, image].map(({ url }) => `pmtiles://${url}`),
	);
	const ids = style.layers.map((/** @type {any} */ { id }) => id);
	assert.equal(new Set(ids).size, ids.length, "every layer has a name of its own");
	const of = (/** @type {string} */ source) =>
		style.layers.filter((/** @type {any} */ layer) => layer.source === source);
	assert.ok(of("streets").length > 30);
	assert.equal(of("streets-2").length, of("streets").length);
	const upwards = [
		"streets-earth",
		"streets-2-earth",
		"streets-2-rail",
		"streets-3-raster",
		"place-names",
		"streets-cities",
	].map((id) => ids.indexOf(id));
	assert.deepEqual(
		upwards,
		upwards.toSorted((a, b) => a - b),
	);
	const names = JSON.stringify(style.layers.find((/** @type {any} */ { id }) => id === "place-names").filter);
	for (const { minLon } of [header, second.header]) assert.ok(names.includes(String(minLon)), names);
});

test("an archive that cannot be read is reported, and the others are drawn", async (t) => {
	const bytes = await readFile(CITY);
	const failing = new URL("/map.pmtiles", "http://localhost/").href;
	t.mock.method(globalThis, "fetch", async (/** @type {any} */ url, /** @type {any} */ { headers }) => {
		if (String(url) === failing) return new Response("", { status: 404 });
		const [, first, end] = /bytes=(\d+)-(\d+)/.exec(new Headers(headers).get("range") ?? "") ?? [];
		return new Response(bytes.subarray(Number(first), Number(end) + 1), { status: 206 });
	});
	Object.assign(globalThis, { document: { baseURI: "http://localhost/" } });
	t.after(() => Reflect.deleteProperty(globalThis, "document"));
	/** @type {string[]} */
	const said = [];
	const config = {
		lib,
		style: null,
		pmtiles: ["/map.pmtiles", "/map-2.pmtiles"],
		report: (/** @type {string} */ m) => said.push(m),
	};
	const style = /** @type {any} */ (await baseStyle({ addProtocol() {} }, config, false));
	assert.equal(style.sources.streets.url, "pmtiles://http://localhost/map-2.pmtiles");
	assert.match(style.sources.streets.attribution, /OpenStreetMap/);
	assert.equal(said.length, 1);
	assert.match(said[0], /\/map\.pmtiles could not be read/);
});

test("a style says where it draws streets", () => {
	const florence = { lng: 11.25, lat: 43.77 },
		livorno = { lng: 10.3, lat: 43.55 };
	const two = streetAreas(/** @type {any} */ (styles["two towns and an image"](true)));
	assert.equal(two.length, 3);
	assert.deepEqual(
		[florence, { lng: 11.5, lat: 43.8 }, livorno, { lng: 11.25, lat: 43.85 }].map((at) => isWithin(at, two)),
		[true, true, false, false],
	);
	assert.ok(isWithin(livorno, streetAreas("https://example.org/style.json")));
	assert.ok(!isWithin(florence, streetAreas(/** @type {any} */ (styles.world(false)))));
});

test("a style's URL is used unchanged", async () => {
	const config = { lib, style: "https://example.org/style.json", pmtiles: [] };
	assert.equal(await baseStyle(/** @type {any} */ (null), config, false), config.style);
});

test("without data there are empty tiles and one report", async (t) => {
	t.mock.method(globalThis, "fetch", async () => new Response("", { status: 404 }));
	/** @type {Record<string, any>} */
	const protocols = {};
	/** @type {string[]} */
	const said = [];
	const config = {
		lib: "/lib/gone/",
		style: null,
		pmtiles: [],
		report: (/** @type {string} */ m) => said.push(m),
	};
	const style = /** @type {any} */ (
		await baseStyle(
			{
				addProtocol: (name, load) => {
					protocols[name] = load;
				},
			},
			config,
			false,
		)
	);
	for (const xyz of ["0/0/0", "5/1/1"]) {
		const { data } = await protocols.atlas({
			url: style.sources.atlas.tiles[0].replace("{z}/{x}/{y}", xyz),
		});
		assert.equal(data.byteLength, 0);
	}
	assert.equal(said.length, 1);
	assert.match(said[0], /atlas-world\.bin was answered with 404/);
});

/** @type {string} */
let out;
/** @type {typeof fetch} */
const network = globalThis.fetch;
before(async () => {
	out = await mkdtemp(join(tmpdir(), "basemap-"));
	await basemap(out);
	globalThis.fetch = async (path) => new Response(await readFile(String(path)));
});
after(async () => {
	globalThis.fetch = network;
	await rm(out, { recursive: true });
});

/** @param {number} z @returns {Promise<{ z: number, x: number, y: number, layers: any }[]>} */
const level = (z) =>
	Promise.all(
		Array.from({ length: 4 ** z }, async (_, i) => {
			const [x, y] = [i % 2 ** z, Math.floor(i / 2 ** z)];
			return {
				z,
				x,
				y,
				layers: new VectorTile(new PbfReader(new Uint8Array(await tile(`${out}/`, z, x, y)))).layers,
			};
		}),
	);

/** @param {any} layer */
const features = (layer) => Array.from({ length: layer?.length ?? 0 }, (_, i) => layer.feature(i));

for (const z of [0, 3, 5]) {
	test(`zoom ${z}: the countries, seas and places are there, each on the map`, async () => {
		/** @type {Record<string, Set<string>>} */
		const names = { countries: new Set(), seas: new Set(), places: new Set() };
		for (const { x, y, layers } of await level(z))
			for (const kind of Object.keys(names))
				for (const f of features(layers[kind])) {
					const [lon, lat] = f.toGeoJSON(x, y, z).geometry.coordinates;
					assert.ok(
						Math.abs(lon) <= 180 && Math.abs(lat) <= 90,
						`${f.properties.name} is at ${lon}, ${lat}`,
					);
					assert.ok(Number.isFinite(f.properties.rank), f.properties.name);
					names[kind].add(`${f.properties.name} ${lon} ${lat}`);
				}
		assert.ok(
			names.countries.size >= 170 && names.countries.size < 260,
			`${names.countries.size} countries`,
		);
		assert.ok(names.seas.size >= 20, `${names.seas.size} seas`);
		if (z === 5) assert.ok(names.places.size >= 20_000, `${names.places.size} places`);
	});
}

test("shapes end with their tile", async () => {
	for (const z of [0, 2, 5])
		for (const { x, y, layers } of await level(z))
			for (const kind of ["land", "lakes", "rivers", "borders", "states"])
				for (const f of features(layers[kind])) {
					const [west, north, east, south] = f.bbox();
					assert.ok(
						Math.min(west, north) >= -64 && Math.max(east, south) <= 4096 + 64,
						`${kind} in ${z}/${x}/${y}: ${f.bbox()}`,
					);
				}
});

test("land has no edge along the antimeridian", async () => {
	for (const z of [3, 5])
		for (const { x, y, layers } of await level(z))
			for (const f of x % (2 ** z - 1) ? [] : features(layers.land)) {
				const seam = x ? 4096 : 0;
				for (const ring of f.loadGeometry())
					for (let i = 1; i < ring.length; i++) {
						const [a, b] = [ring[i - 1], ring[i]];
						assert.ok(
							Math.abs(a.x - seam) > 1 || Math.abs(b.x - seam) > 1 || Math.abs(a.y - b.y) < 100,
							`a streak in ${z}/${x}/${y} from ${a.y} to ${b.y}`,
						);
					}
			}
});

test("the files are small once compressed", async () => {
	const [world, detail] = await Promise.all(
		["world", "detail"].map(
			async (name) => gzipSync(await readFile(join(out, `atlas-${name}.bin`))).length,
		),
	);
	assert.ok(world < 250_000, `world: ${world}`);
	assert.ok(world + detail < 2_000_000, `both: ${world + detail}`);
});

/** @param {unknown} value @returns {string[]} the colours in an expression */
const colors = (value) => JSON.stringify(value ?? "").match(/#[0-9a-f]{6}\b/gi) ?? [];
