/**
 * The texts of the page: telemetry, vehicles, and the connection.
 */
import assert from "node:assert/strict";
import { mock, test } from "node:test";
import {
	ago,
	compass,
	coordinates,
	count,
	dateTime,
	duration,
	protocol,
	metres,
	number,
	quantity,
	shortened,
	speedOf,
	telemetry,
} from "../src/format.js";
import { Vehicle } from "../src/fleet.js";
import { changeSettings } from "../src/settings.js";
import { activity } from "../src/panel/columns.js";
import { summaryText } from "../src/panel/list.js";
import { connection } from "../src/panel/connection.js";

test("a duration is written in its largest unit", () => {
	const spans = [
		[-5, "0 s"],
		[0, "0 s"],
		[59.9, "59 s"],
		[60, "1 min"],
		[3599, "59 min"],
		[3600, "1 h"],
		[172_799, "47 h"],
		[172_800, "2 days"],
		[864_000_000, "10,000 days"],
	];
	for (const [seconds, words] of /** @type {[number, string][]} */ (spans)) {
		assert.equal(duration(seconds), words);
	}
	assert.equal(ago(0.9), "now");
	assert.equal(ago(1), "1 s ago");
});

test("a time has a date unless it is recent", () => {
	const time = Date.UTC(2026, 4, 6, 12, 0, 0) / 1000;
	assert.doesNotMatch(dateTime(time, time + 43_199), /2026/);
	assert.match(dateTime(time, time + 43_200), /2026/);
});

test("a direction is the nearest of eight points", () => {
	const directions = [
		[0, "N"],
		[22, "N"],
		[23, "NE"],
		[90, "E"],
		[180, "S"],
		[270, "W"],
		[315, "NW"],
		[337, "NW"],
		[338, "N"],
		[360, "N"],
	];
	for (const [degrees, name] of /** @type {[number, string][]} */ (directions)) {
		assert.equal(compass(degrees), name, `${degrees}`);
	}
});

test("numbers have their usual form", () => {
	assert.equal(count(1_234_567), "1,234,567");
	const at = (/** @type {any} */ speed, speedDerived = false) =>
		speedOf(/** @type {any} */ ({ speed, speedDerived }));
	assert.deepEqual([at(49.6), at(49.6, true), at(null, true)], ["50 km/h", "~50 km/h", "unknown"]);
	assert.deepEqual([ago(0.5), ago(-1.9), ago(-2), ago(-59.9)], ["now", "now", "2 s ahead", "59 s ahead"]);
	assert.equal(coordinates(13.404954, 52.520008), "52.52001, 13.40495");
	assert.deepEqual(["h3", "h2", "http/1.1", "h4", ""].map(protocol), [
		"HTTP/3",
		"HTTP/2",
		"HTTP/1.1",
		"h4",
		"",
	]);
});

test("unknown telemetry gets a label and a unit", () => {
	const members = [
		["fuel_percent", 62.5, "Fuel", "62.5 %"],
		["odometer_km", 123_456.7, "Odometer", "123,456.7 km"],
		["oil_temp_c", 90, "Oil temp", "90 °C"],
		["wind_kmh", 12, "Wind", "12 km/h"],
		["length_m", 9, "Length", "9 m"],
		["fuel_percent", "full", "Fuel percent", "full"],
		["doorOpen", true, "Door Open", "yes"],
		["door-open", false, "Door open", "no"],
		["ratio", 0.123456, "Ratio", "0.123456"],
		["stops", ["A", 2], "Stops", '["A",2]'],
		["line", null, "Line", "null"],
		["_km", 5, "", "5 km"],
	];
	for (const [name, value, words, told] of members) {
		assert.deepEqual(telemetry(/** @type {string} */ (name), value), [words, told], `${name}`);
	}
});

test("a vehicle's state is written as text", () => {
	/** @param {Record<string, any>} more */
	const vehicle = (more) =>
		new Vehicle(
			{
				type: "Feature",
				id: "VAN-7",
				geometry: { type: "Point", coordinates: [0, 0] },
				properties: { vehicle_id: "VAN-7", timestamp: 100, ...more },
			},
			100,
		);
	assert.equal(activity(vehicle({ speed_kmh: 49.6, heading: 180 }), "moving", 100), "50 km/h S");
	assert.equal(activity(vehicle({ speed_kmh: 5, heading: 0 }), "moving", 100), "5 km/h N");
	assert.equal(activity(vehicle({ speed_kmh: 5 }), "moving", 100), "5 km/h");
	assert.equal(activity(vehicle({ speed_kmh: 0 }), "parked", 100), "Parked");
	const guessed = vehicle({});
	assert.equal(activity(guessed, "unknown", 100), "Speed unknown");
	guessed.update({ ...guessed.feature, properties: { vehicle_id: "VAN-7", timestamp: 110 } }, 110);
	assert.equal(activity(guessed, "parked", 110), "~ Parked");
	const east = { type: /** @type {const} */ ("Point"), coordinates: [0.001, 0] };
	const later = { vehicle_id: "VAN-7", timestamp: 120 };
	guessed.update({ ...guessed.feature, geometry: east, properties: later }, 120);
	assert.equal(activity(guessed, "moving", 120), "~40 km/h ~E");
	assert.equal(activity(vehicle({}), "silent", 100 + 172_799), "Silent 47 h");
	assert.equal(activity(vehicle({}), "silent", 100 + 172_800), "Silent 2 days");
});

test("the summary has the number shown, the total, and where it looked", () => {
	const whole = { all: 10_000, complete: true };
	assert.equal(summaryText(1, { all: 1, complete: true }), "1 vehicle");
	assert.equal(summaryText(10_000, whole), "10,000 vehicles");
	assert.equal(summaryText(1200, whole), "1,200 of 10,000 vehicles");
	assert.equal(summaryText(3, { ...whole, inView: true }), "3 of 10,000 vehicles · only in view");
	const searched = { ...whole, searched: true };
	assert.equal(summaryText(2, searched), "2 of 10,000 vehicles · searched the whole fleet");
	assert.equal(
		summaryText(0, { ...searched, age: 33 }),
		"0 of 10,000 vehicles · searched the whole fleet, as of 33 s ago",
	);
	assert.equal(
		summaryText(2, { ...searched, age: 33, inView: true }),
		"2 of 10,000 vehicles · searched what is in view",
	);
	const part = { all: 3, complete: false };
	assert.equal(summaryText(3, part), "3 vehicles around here");
	assert.equal(
		summaryText(3, { ...part, age: 33, searched: true }),
		"3 of 3 vehicles around here · searched what is around here",
	);
});

test("the connection line shows the connection, and never better than it is", () => {
	mock.timers.enable({ apis: ["Date"], now: 1_800_000_000_000 });
	/** @type {Record<string, any>} */
	const parts = {};
	/** @type {any} */
	const element = {
		dataset: {},
		querySelector: (/** @type {string} */ name) =>
			(parts[name] = Object.assign(new EventTarget(), { textContent: "" })),
	};
	const retry = mock.fn();
	const status = {
		phase: "connecting",
		since: Date.now(),
		heard: 0,
		retryAt: 0,
		attempt: 0,
		protocol: "",
		state: "",
		reason: "",
	};
	const show = connection(element, /** @type {any} */ ({ status, retry, ping: 15 }));
	/** @param {Record<string, any>} next */
	const says = (next) => {
		Object.assign(status, next);
		show();
		return [".phase", ".facts", ".why"].map((name) => parts[name].textContent);
	};
	assert.deepEqual(says({}), ["Connecting…", "", ""]);
	assert.equal(parts[".retry"].hidden, true);
	assert.deepEqual(says({ phase: "live", heard: Date.now() - 500, protocol: "h3", state: "read" }), [
		"Live",
		"HTTP/3 · now",
		"",
	]);
	assert.equal(says({ phase: "live", heard: Date.now() - 17_900, protocol: "h3" })[0], "Live");
	assert.deepEqual(
		says({ phase: "live", heard: Date.now() - 18_100, protocol: "h3", state: "read" }),
		["No sign of life", "HTTP/3 · 18 s ago", ""],
		"a ping is three seconds late",
	);
	assert.deepEqual(says({ heard: Date.now() - 12_000, state: "resumed" }), [
		"Live",
		"HTTP/3 · 12 s ago",
		"Resumed: nothing was missed.",
	]);
	assert.equal(says({ state: "newest" })[2], "Resumed with the newest positions.");
	assert.equal(says({ state: "re-read" })[2], "All positions were read again.");
	assert.equal(says({ since: Date.now() - 60_000 })[2], "", "which is no news for ever");
	assert.deepEqual(element.dataset, { phase: "live", state: "re-read" });
	assert.equal(parts[".retry"].hidden, true);
	assert.deepEqual(
		says({ phase: "waiting", retryAt: Date.now() + 3001, reason: "the connection was cut" }),
		["Reconnecting", "in 4 s", "The connection was cut."],
	);
	assert.equal(parts[".retry"].hidden, false);
	parts[".retry"].dispatchEvent(new Event("click"));
	assert.equal(retry.mock.callCount(), 1);
	assert.deepEqual(
		says({ phase: "connecting" }),
		["Connecting…", "", "The connection was cut."],
		"which is still why",
	);
	assert.deepEqual(says({ phase: "closed", reason: "" }), ["Closed", "", ""]);
	mock.timers.reset();
});

test("numbers are shown as they are", () => {
	for (const [value, text] of /** @type {[number, string][]} */ ([
		[0, "0"],
		[-0, "0"],
		[62.5, "62.5"],
		[0.1 + 0.2, "0.3"],
		[1 / 3, "0.333333333333"],
		[0.00035, "0.00035"],
		[1e-9, "1e-9"],
		[-1e-300, "-1e-300"],
		[1e308, "1e+308"],
		[-1e308, "-1e+308"],
		[123456789012, "123456789012"],
		[9007199254740991, "9007199254740991"],
		[12345678901234567890, "≈ 12345678901234567000"],
	])) {
		assert.equal(number(value), text);
		assert.deepEqual(telemetry("reading", value), ["Reading", text]);
	}
	for (const [value, text] of /** @type {[any, string][]} */ ([
		[1234567.891, "1,234,567.891 km"],
		[0.00035, "0.00035 km"],
		[1e-9, "1e-9 km"],
		[0, "0 km"],
		[-12.5, "-12.5 km"],
		[1e308, "1e+308 km"],
		["12345678901234567891", "12345678901234567891 km"],
	])) {
		assert.equal(quantity(value, "km"), text);
	}
	assert.deepEqual([34.4, -0.3, 0, -1e308].map(metres), ["34 m", "-0.3 m", "0 m", "-1e+308 m"]);
	changeSettings({ speed: "mph" });
	assert.deepEqual([34.4, 0.1, 0].map(metres), ["113 ft", "0.33 ft", "0 ft"]);
	changeSettings({ speed: "km/h" });
	assert.deepEqual(telemetry("way_km", 0.00035), ["Way", "0.00035 km"]);
	assert.deepEqual(telemetry("note", null), ["Note", "null"]);
	const speed = (/** @type {number} */ speed) => speedOf(/** @type {any} */ ({ speed, speedDerived: false }));
	assert.deepEqual([speed(0), speed(0.4), speed(0.5)], ["0 km/h", "< 1 km/h", "1 km/h"]);
	assert.equal(speed(1e308), "1e+308 km/h");
});

test("long values are shortened, but not within a character", () => {
	assert.equal(shortened("x".repeat(160)), "x".repeat(160));
	assert.equal(shortened("x".repeat(161)), `${"x".repeat(160)}…`);
	assert.equal(shortened(`${"x".repeat(159)}🚚🚚`), `${"x".repeat(159)}…`);
});
