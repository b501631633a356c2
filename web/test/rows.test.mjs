/**
 * What the list shows, finds, sorts and exports, without a browser.
 */
import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { csvOf, geojsonOf } from "../src/export.js";
import { Filter } from "../src/filter.js";
import { Fleet, Vehicle } from "../src/fleet.js";
import { dateTime, distanceText, speedOf } from "../src/format.js";
import { bearing, distance, parseCoordinates } from "../src/geodesy.js";
import { Groups, byKind, kindOf, nameOf } from "../src/groups.js";
import { HubSearch } from "../src/hub-search.js";
import { columnsOf, knownColumns, rowTexts } from "../src/panel/columns.js";
import { sorted } from "../src/panel/list.js";
import { Places } from "../src/places.js";
import { fold, matcher } from "../src/search.js";
import { changeSettings, loadSettings, settings } from "../src/settings.js";
import { DEFAULTS } from "../src/address.js";

/** @param {string} id @param {Record<string, any>} [more] @param {number[]} [coordinates] */
const feature = (id, more = {}, coordinates = [11.25, 43.77]) =>
	/** @type {import("../src/livemap.js").Feature} */ ({
		type: "Feature",
		id,
		geometry: { type: "Point", coordinates },
		properties: { vehicle_id: id, timestamp: 1000, ...more },
	});
/** @param {Parameters<typeof feature>} of */
const vehicle = (...of) => new Vehicle(feature(...of), 1000);

const towns = new Places();
towns.take({
	names: ["Berlin", "München", "Firenze", "Berlingo", "Ostberlin", "Taveuni"],
	countries: "DEDEITITDEFJ",
	lon: [1340, 1158, 1125, 1004, 1350, 17999],
	lat: [5252, 4814, 4377, 4550, 5252, -1700],
	large: 3,
});

/** @param {Vehicle} v @param {import("../src/fleet.js").State} state @param {object} [more] */
const row = (v, state, more = {}) =>
	rowTexts(v, {
		state,
		now: 1000,
		asOf: 1000,
		columns: columnsOf(null),
		places: towns,
		near: null,
		...more,
	});

afterEach(() => {
	mock.timers.reset();
	mock.restoreAll();
	changeSettings({ speed: "km/h", clock: "system", zone: "local", columns: null });
});

test("a row says what a vehicle does, who drives it, on which line, and where", () => {
	const driven = vehicle("VAN-7", { speed_kmh: 62, heading: 45, driver: "Ada", route: 14, name: "Old van" });
	assert.deepEqual(row(driven, "moving"), {
		what: "62 km/h NE",
		heard: "now",
		about: "Old van · Ada · 14 · Firenze",
	});
	assert.equal(row(driven, "silent", { now: 1400, asOf: 1300 }).what, "Silent 6 min");
	assert.equal(row(driven, "silent", { now: 1400, asOf: 1300 }).heard, "6 min ago");
	driven.knownUntil = 1120;
	assert.equal(row(driven, "silent", { now: 1400, asOf: 1300 }).what, "Silent 6 min", "it is not streamed");
	const odd = vehicle("VAN-8", { name: "VAN-8", driver: null, line: "" }, [0, 0]);
	assert.deepEqual(row(odd, "unknown").about, "", "what says nothing is left out");
	const columns = ["fuel_percent", "driver"];
	const fuelled = vehicle("VAN-9", { fuel_percent: 62.5, driver: "Grace", speed_kmh: 50 });
	assert.deepEqual(row(fuelled, "moving", { columns }), { what: "", heard: "", about: "Fuel 62.5 % · Grace" });
	const near = { lon: 11.25, lat: 43.77 };
	assert.deepEqual(row(fuelled, "moving", { near }).about, "0 m away · Grace · Firenze");
});

test("a row says for how long a vehicle stands, and that it may be longer", () => {
	const parked = vehicle("VAN-7", { speed_kmh: 0 });
	const says = (/** @type {number} */ asOf) => row(parked, "parked", { asOf }).what;
	assert.deepEqual([says(1059), says(1060), says(8200)], ["Parked", "Parked 1+ min", "Parked 2+ h"]);
	/** @param {number} timestamp @param {number} speed @param {number} [lon] */
	const next = (timestamp, speed, lon = 11.25) =>
		parked.update(feature("VAN-7", { timestamp, speed_kmh: speed }, [lon, 43.77]), timestamp);
	next(1100, 0);
	assert.equal(says(1120), "Parked 2+ min", "it still stands");
	next(1130, 30);
	next(1140, 0);
	assert.equal(says(1150), "Parked 10 s", "the page has seen it stop");
	next(1200, 0);
	assert.equal(says(1200), "Parked 1 min");
	next(1300, 0, 11.3);
	assert.equal(says(1420), "Parked 2+ min", "it stands somewhere else");
	next(1500, 30);
	next(3000, 0);
	assert.equal(says(3060), "Parked 1+ min", "nobody knows when it stopped");
	next(2000, 0);
	assert.equal(says(2060), "Parked 1+ min", "the hub has begun anew, with older positions");
});

test("a row counts for how long a vehicle stands as it counts since it was heard", () => {
	let [now, known] = [1000, 1000];
	const fleet = new Fleet(
		() => now,
		() => known,
	);
	const parked = vehicle("VAN-7", { speed_kmh: 30 });
	parked.update(feature("VAN-7", { timestamp: 1001, speed_kmh: 0 }), 1001);
	parked.knownUntil = 1001; // it is not streamed
	[now, known] = [1008, 1003];
	const says = () => {
		const { what, heard } = row(parked, "parked", { now, asOf: fleet.until() });
		return [what, heard];
	};
	assert.deepEqual(says(), ["Parked 7 s", "7 s ago"]);
	fleet.frozen = true;
	assert.deepEqual(says(), ["Parked 2 s", "7 s ago"], "nobody knows for how long on a frozen map");
});

test("properties of the fleet can be columns", () => {
	const fleet = [vehicle("A", { driver_name: "Ada", fuel_percent: 1 }), vehicle("B", { "a,b": 1, doors: 2 })];
	assert.deepEqual(knownColumns(fleet), [
		...["activity", "heard", "label", "driver", "line", "place"],
		...["fuel_percent", "doors"],
	]);
	const wide = Object.fromEntries(Array.from({ length: 99 }, (_, i) => [`x${i}`, i]));
	assert.equal(knownColumns([vehicle("A", wide)]).length, 40);
	changeSettings({ columns: ["place"] });
	assert.deepEqual([columnsOf(null), columnsOf(["heard"])], [["place"], ["heard"]]);
});

test("a vehicle is at the nearest town, or so far from it, within reason", () => {
	const at = (/** @type {number[]} */ [lon, lat]) => {
		const { town, metres, within } = towns.nearest({ lon, lat }) ?? {};
		return town ? `${within ? "in" : Math.round((metres ?? 0) / 1000)} ${town.name}` : "nowhere";
	};
	assert.equal(at([13.45, 52.52]), "in Berlin");
	assert.equal(at([13.9, 52.52]), "27 Ostberlin");
	assert.equal(at([14.5, 52.52]), "nowhere");
	assert.equal(at([-179.9, -17]), "12 Taveuni", "over the antimeridian");
	assert.equal(at([0, 89]), "nowhere");
	assert.equal(row(vehicle("A", {}, [11.25, 44]), "unknown").about, "26 km N of Firenze");
});

test("towns are found by their names, without accents, the most populous first", () => {
	const names = (/** @type {string} */ q) => towns.find(q, 3).map(({ name }) => name);
	assert.deepEqual(names("berlin"), ["Berlin", "Berlingo", "Ostberlin"]);
	assert.deepEqual(names("munchen"), ["München"]);
	assert.deepEqual([names(""), names("xyz")], [[], []]);
	assert.deepEqual(towns.find("firenze", 1), [{ name: "Firenze", country: "IT", lon: 11.25, lat: 43.77 }]);
});

test("distances and directions are great-circle ones", () => {
	const [berlin, florence] = [{ lon: 13.4, lat: 52.52 }, { lon: 11.25, lat: 43.77 }];
	assert.equal(Math.round(distance(berlin, florence) / 1000), 986);
	assert.equal(Math.round(bearing(berlin, florence)), 190);
	assert.equal(Math.round(distance({ lon: 179.5, lat: 0 }, { lon: -179.5, lat: 0 }) / 1000), 111);
	assert.equal(distance(berlin, berlin), 0);
});

test("coordinates are latitude and longitude, or what their letters say", () => {
	for (const [text, lat, lon] of /** @type {[string, number, number][]} */ ([
		["52.52, 13.405", 52.52, 13.405],
		[" -33.9;151 ", -33.9, 151],
		["52.52 13.405", 52.52, 13.405],
		["13.405E 52.52N", 52.52, 13.405],
		["33.9S, 151.2E", -33.9, 151.2],
		["N 52.5° W 3", 52.5, -3],
	])) {
		assert.deepEqual(parseCoordinates(text), { lat, lon }, text);
	}
	for (const text of ["", "52.52", "VAN 7", "91, 0", "0, 181", "1, 2, 3", "5E 6E", "42 7a"]) {
		assert.equal(parseCoordinates(text), null, text);
	}
});

test("a search is for all words, in any text, or a whole number", () => {
	const one = feature("TRUCK-042", {
		driver: "Zoë Müller",
		from: "Łódź",
		street: "GROẞE STRASSE",
		load: { goods: ["steel", "oak"], kg: 1250, fragile: true },
		speed_kmh: 85,
	});
	const found = (/** @type {string} */ q) => matcher(q)?.(one);
	for (const q of ["truck-042", "muller TRUCK zoe", "lodz", "grosse strasse", "oak", "85", "1250", "true"]) {
		assert.equal(found(q), true, q);
	}
	for (const q of ["muller nobody", "125", "8", "driver", "goods", "Feature", "11.25", "steeloak"]) {
		assert.equal(found(q), false, q);
	}
	assert.equal(matcher("  "), null);
	assert.equal(fold("ＴＲＵＣＫ Århus"), "truck arhus");
	const matches = matcher("zoe");
	assert.deepEqual([matches?.(one), matches?.(one), matches?.(feature("A"))], [true, true, false]);
});

test("the filter is one for the list and the map", () => {
	const filter = new Filter(({ id }) => id !== "OTHER");
	const shown = () =>
		["VAN-1", "VAN-2", "OTHER"].filter((id) => filter.shows(vehicle(id, { driver: `of ${id}` }), "moving"));
	assert.deepEqual(shown(), ["VAN-1", "VAN-2"]);
	filter.set({ ...DEFAULTS, q: "of van" });
	assert.deepEqual(shown(), ["VAN-1", "VAN-2"]);
	filter.set({ ...DEFAULTS, only: ["VAN-2", "OTHER"] });
	assert.deepEqual(shown(), ["VAN-2"]);
	filter.set({ ...DEFAULTS, filter: "silent" });
	assert.deepEqual(shown(), []);
	assert.equal(filter.inScope(vehicle("VAN-1")), true);
	filter.set({ ...DEFAULTS, q: "van-1" });
	assert.deepEqual(shown(), ["VAN-1"]);
});

test("rows are sorted by name, speed, when they were heard, silence, standstill and distance", () => {
	const fleet = new Fleet(() => 1000);
	fleet.update(feature("A", { speed_kmh: 0, timestamp: 990 }));
	fleet.update(feature("B", { speed_kmh: 50, timestamp: 100 }, [12, 44]));
	fleet.update(feature("C", { speed_kmh: 0, timestamp: 900 }, [11.3, 43.8]));
	fleet.update(feature("D", { timestamp: 1000 }));
	const near = { lon: 12, lat: 44, name: "" };
	const order = (/** @type {any} */ sort) =>
		sorted([...fleet.vehicles.values()], { sort, near }, fleet.states())
			.map(({ id }) => id)
			.join("");
	assert.deepEqual(["name", "speed", "heard", "silent", "parked", "distance"].map(order), [
		...["ABCD", "BACD", "DACB", "BCAD", "CABD", "BCAD"],
	]);
});

test("rows are filtered, searched and sorted without computing anything twice", () => {
	const fleet = new Fleet(() => 1000);
	for (let i = 0; i < 2000; i++) {
		fleet.update(feature(`VAN-${i}`, { speed_kmh: i % 90, driver: `Zoë ${i % 100}.` }));
	}
	const filter = new Filter(() => true);
	filter.set({ ...DEFAULTS, q: "zoe 42." });
	const stateOf = fleet.states();
	const values = mock.method(Object, "values");
	const all = [...fleet.vehicles.values()];
	for (let round = 0; round < 10; round++) {
		assert.equal(all.filter((v) => filter.shows(v, stateOf(v))).length, 20);
	}
	assert.ok(values.mock.callCount() <= 4000, `${values.mock.callCount()}`);
});

test("speeds, distances and times are in the reader's units, which are kept", () => {
	const at = (/** @type {number} */ speed) => speedOf(/** @type {any} */ ({ speed, speedDerived: false }));
	assert.deepEqual([at(80), distanceText(40), distanceText(1234), distanceText(98_765)], [
		...["80 km/h", "40 m", "1.2 km", "99 km"],
	]);
	/** @type {Map<string, string>} */
	const storage = new Map();
	/** @type {any} */ (globalThis).localStorage = {
		getItem: (/** @type {string} */ key) => storage.get(key) ?? null,
		setItem: (/** @type {string} */ key, /** @type {string} */ value) => storage.set(key, value),
	};
	changeSettings({ speed: "mph", clock: "24", zone: "utc" });
	assert.deepEqual([at(80), distanceText(40), distanceText(4000)], ["50 mph", "130 ft", "2.5 mi"]);
	const noon = Date.UTC(2026, 4, 6, 13, 5, 9) / 1000;
	assert.equal(dateTime(noon, noon), "13:05:09 UTC");
	changeSettings({ speed: "knots", clock: "12" });
	assert.deepEqual([at(80), distanceText(1852)], ["43 kn", "1.0 nm"]);
	assert.match(dateTime(noon, noon), /^0?1:05:09\sPM UTC$/);
	/** @type {any} */ (settings).speed = "km/h";
	loadSettings();
	assert.deepEqual([settings.speed, settings.clock, settings.zone], ["knots", "12", "utc"]);
	storage.set("livemap-settings", '{"speed":"parsecs","clock":"24","columns":[1]}');
	loadSettings();
	assert.deepEqual([settings.speed, settings.clock, settings.columns], ["knots", "24", null]);
	storage.set("livemap-settings", "{");
	loadSettings();
	assert.equal(settings.clock, "24");
	delete (/** @type {any} */ (globalThis).localStorage);
});

test("what is listed is exported as CSV and GeoJSON", () => {
	const fleet = [
		vehicle("VAN-1", { speed_kmh: 50, driver: 'Ada "A", B', doors: { open: [1] }, note: "=1+1" }),
		vehicle("VAN-2", { timestamp: 1000.5, heading: 0, shift: null, note: "x\ny" }, [1, 2, 30]),
	];
	assert.equal(
		csvOf(fleet),
		"vehicle_id,timestamp,lat,lon,altitude,speed_kmh,heading,accuracy,driver,doors,note\r\n" +
			'VAN-1,"1970-01-01T00:16:40Z",43.77,11.25,,50,,,"Ada ""A"", B","{""open"":[1]}",\'=1+1\r\n' +
			'VAN-2,"1970-01-01T00:16:40.5Z",2,1,30,,0,,,,"x\ny"\r\n',
	);
	const { type, features } = JSON.parse(geojsonOf(fleet));
	assert.deepEqual([type, features], ["FeatureCollection", fleet.map(({ feature }) => feature)]);
	assert.deepEqual(JSON.parse(geojsonOf([])).features, []);
});

/* Groups */

/** @type {string[]} */
let asked;
/** @type {Record<string, any>} */
let answers;

beforeEach(() => {
	asked = [];
	answers = {};
});

function hub() {
	mock.timers.enable({ apis: ["setTimeout"] });
	mock.method(globalThis, "fetch", async (/** @type {string} */ url) => {
		asked.push(decodeURIComponent(url));
		const answer = answers[decodeURIComponent(url)];
		return answer ? Response.json(answer) : Response.json({}, { status: 403 });
	});
}

/** @param {number} [ms] */
async function pass(ms = 0) {
	mock.timers.tick(ms);
	for (let i = 0; i < 30; i++) {
		await setImmediate();
	}
}

const TOPICS = {
	topics: [
		{ id: "depot:7", vehicles: 5 },
		{ id: "depot:8", vehicles: 4 },
		{ id: "kind:bus", vehicles: 90 },
		{ id: "night", vehicles: 1 },
	],
};

test("groups are topics by kind", async () => {
	assert.deepEqual([kindOf("depot:7"), nameOf("depot:7"), kindOf("night"), nameOf("night")], [
		...["depot", "7", "", "night"],
	]);
	assert.deepEqual([...byKind(["a:1", "b:2", "a:3"])], [["a", ["a:1", "a:3"]], ["b", ["b:2"]]]);
	hub();
	answers["/topics?limit=1000"] = { topics: TOPICS.topics.slice(0, 2), next: "depot:8" };
	answers["/topics?limit=1000&after=depot:8"] = { topics: TOPICS.topics.slice(2) };
	let live = false;
	let changes = 0;
	const groups = new Groups(() => changes++, () => live);
	groups.resume();
	await pass();
	assert.equal(asked.length, 0, "the hub is away");
	live = true;
	groups.resume();
	groups.resume();
	await pass();
	assert.deepEqual([groups.all, asked.length, changes], [TOPICS.topics, 2, 1]);
	answers["/topics?limit=1000&after=depot:8"] = undefined;
	await pass(60_000);
	assert.deepEqual([groups.all, asked.length], [TOPICS.topics, 4], "what was known stays");
	live = false;
	await pass(60_000);
	live = true;
	await pass(60_000);
	assert.equal(asked.length, 4);
});

test("groups of one kind are joined in the stream, and others are cut in the page", async () => {
	hub();
	answers["/topics?limit=1000"] = TOPICS;
	answers["/vehicles?topic=kind:bus&limit=1000"] = { features: [{ id: "BUS-1" }], next: "BUS-1" };
	answers["/vehicles?topic=kind:bus&limit=1000&after=BUS-1"] = { features: [{ id: "BUS-2" }] };
	let live = true;
	const groups = new Groups(() => {}, () => live);
	groups.resume();
	await pass();
	assert.deepEqual([groups.streamed, groups.has("ANY")], [null, true]);
	assert.equal(groups.choose(["depot:7", "depot:8"]), true);
	assert.deepEqual([groups.streamed, groups.has("ANY")], [["depot:7", "depot:8"], true]);
	assert.equal(groups.choose(["kind:bus", "depot:7", "depot:8"]), false, "the fewest are streamed");
	assert.equal(groups.has("BUS-1"), false, "not known yet");
	await pass();
	assert.deepEqual(["BUS-1", "BUS-2", "TRAM-1"].map((id) => groups.has(id)), [true, true, false]);
	answers["/vehicles?topic=kind:bus&limit=1000"] = { features: [{ id: "TRAM-1" }] };
	await pass(60_000);
	assert.deepEqual(["BUS-1", "TRAM-1"].map((id) => groups.has(id)), [false, true]);
	assert.equal(groups.choose(["kind:bus"]), true);
	assert.deepEqual([groups.streamed, groups.has("BUS-1")], [["kind:bus"], true]);
	assert.equal(groups.choose([]), true);
	assert.equal(groups.streamed, null);
	assert.equal(groups.choose([]), false);
	live = false;
	await pass(60_000);
});

test("the hub is asked for what is nearest, whatever is known", async () => {
	hub();
	/** @type {any[]} */
	const found = [];
	const search = new HubSearch({
		needed: () => false,
		topics: () => ["depot:7", "depot:8"],
		found: (features) => found.push(...features),
	});
	const topics = "limit=100&topic=depot:7&topic=depot:8";
	answers[`/vehicles?near=11.25,43.77&${topics}`] = { features: [{ id: "VAN-1" }] };
	answers[`/vehicles?near=13.4,52.5&${topics}`] = { features: [{ id: "VAN-2" }] };
	search.near({ lon: 11.25, lat: 43.77 });
	search.near({ lon: 13.4, lat: 52.5 });
	await pass();
	assert.deepEqual(found, [{ id: "VAN-2" }], "the newest alone");
	search.near(null);
	await pass();
	assert.equal(asked.length, 2);
});

test("the hub is asked for what is searched while the fleet is not known", async () => {
	hub();
	/** @type {any[]} */
	const found = [];
	let needed = true;
	const search = new HubSearch({
		needed: () => needed,
		topics: () => ["depot:7"],
		found: (features) => found.push(features),
	});
	answers["/vehicles?q=ada+b&limit=100&topic=depot:7"] = { features: [{ id: "VAN-1" }] };
	search.search("ada");
	await pass(299);
	search.search("ada b");
	await pass(299);
	assert.deepEqual(asked, []);
	await pass(1);
	assert.deepEqual([asked.length, found], [1, [[{ id: "VAN-1" }]]]);
	search.search("refused");
	await pass(300);
	search.search(" ");
	await pass(300);
	needed = false;
	search.search("known");
	await pass(300);
	assert.deepEqual([asked.length, found.length], [2, 1]);
});
