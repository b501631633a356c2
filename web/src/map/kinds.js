/**
 * kinds.js knows the kinds of vehicles that have an icon: what publishers call them, and how they look.
 */

/** @typedef {"truck" | "van" | "bus" | "car" | "bike" | "ship" | "plane" | "other"} Kind */

/** The kinds in the legend's order. @type {Kind[]} */
export const KINDS = ["truck", "van", "bus", "car", "bike", "ship", "plane", "other"];

/**
 * Words that publishers use, beside a kind's own name. An "s" at the end does not count, so "buse" stands for
 * "buses".
 */
const WORDS = {
	truck: ["lorry", "lorrie", "hgv", "lkw", "tractor", "trailer", "semi", "tipper", "tanker"],
	van: ["minivan", "delivery", "transporter", "sprinter", "pickup", "ambulance"],
	bus: ["buse", "coach", "coache", "minibus", "minibuse", "shuttle", "trolleybus"],
	car: ["taxi", "cab", "auto", "automobile", "sedan", "suv", "limousine", "pkw", "police"],
	bike: ["bicycle", "ebike", "cargobike", "cycle", "motorcycle", "motorbike", "scooter", "moped"],
	ship: ["boat", "vessel", "ferry", "ferrie", "barge", "tug", "yacht"],
	plane: ["aircraft", "airplane", "aeroplane", "jet", "helicopter", "drone", "glider", "flight"],
};

/** @type {Map<string, Kind>} */
const KIND_OF = new Map();
for (const [kind, words] of Object.entries(WORDS)) {
	for (const word of [kind, ...words]) {
		KIND_OF.set(word, /** @type {Kind} */ (kind));
	}
}

/**
 * The kind that a text names: "Cargo bike" is a bike. A phrase's last known word says what it is.
 * @param {unknown} text
 * @returns {Kind | null} null: it names none that has an icon
 */
export function kindNamed(text) {
	if (typeof text !== "string" || text.length > 64) {
		return null;
	}
	const words = text.toLowerCase().split(/[^a-z]+/);
	for (let i = words.length - 1; i >= 0; i--) {
		const kind = KIND_OF.get(words[i]) ?? KIND_OF.get(words[i].replace(/s$/, ""));
		if (kind) {
			return kind;
		}
	}
	return null;
}

/**
 * How a kind looks, in a square of 16 by 16: what is filled, what is cut out of that, and what is filled
 * again. A plane is seen from above and points north.
 * @typedef {{fill: Path2D, cut?: Path2D, over?: Path2D, turns?: boolean}} Glyph
 */

/** Circles. @param {[number, number][]} centres @param {number} radius */
const circles = (centres, radius) =>
	centres
		.map(([x, y]) => `M${x - radius} ${y}${arc(radius, 2 * radius)}${arc(radius, -2 * radius)}z`)
		.join("");
/** @param {number} radius @param {number} right */
const arc = (radius, right) => `a${radius} ${radius} 0 1 0 ${right} 0`;

/**
 * A body on wheels.
 * @param {string} body
 * @param {string} windows
 * @param {[number, number][]} wheels
 * @returns {Glyph}
 */
const onWheels = (body, windows, wheels) => ({
	fill: new Path2D(body),
	cut: new Path2D(windows + circles(wheels, 2.5)),
	over: new Path2D(circles(wheels, 1.6)),
});

/** @returns {Record<Exclude<Kind, "other">, Glyph>} */
const makeGlyphs = () => ({
	truck: onWheels(
		"M.5 3h9v8.5h-9zM10.3 5.5h2.7q.6 0 1 .5l1.3 2q.2.4.2.8v2.7h-5.2z",
		"M11.6 6.7h1.2l1 1.6h-2.2z",
		[
			[4, 11.8],
			[12.2, 11.8],
		],
	),
	van: onWheels(
		"M.5 5q0-1.2 1.2-1.2h7.6q.8 0 1.3.7L13 7.6l1.6.5q.9.3.9 1.3v2.1H.5z",
		"M8.6 5.2h.9l1.7 2.5H8.6z",
		[
			[4, 11.6],
			[11.9, 11.6],
		],
	),
	bus: onWheels(
		"M.5 4.2q0-1.5 1.5-1.5h12q1.5 0 1.5 1.5v7.5H.5z",
		"M1.9 4.7h2.9v2.9H1.9zM6 4.7h3v2.9H6zM10.2 4.7h3.9v2.9h-3.9z",
		[
			[4.2, 11.9],
			[11.8, 11.9],
		],
	),
	car: onWheels(
		"M.5 11V9q0-1 1-1.1l1.7-.3 1.9-2.8q.5-.8 1.5-.8h2.9q.9 0 1.6.7l2.2 2.7 1.2.2q1 .2 1 1.2V11z",
		"M5 7.5l1.2-1.9q.2-.3.6-.3h.8v2.2zM8.7 7.5V5.3h.9q.4 0 .7.3l1.5 1.9z",
		[
			[4.2, 11],
			[11.8, 11],
		],
	),
	bike: {
		fill: new Path2D(
			circles([[3.4, 10.6]], 3.3) +
				circles([[12.6, 10.6]], 3.3) +
				"M5.9 5.4L10.8 5.4 10.4 4.1H9V2.7h2.4L13.3 10.3l-1.3.4-1-3.4-2.6 3.9H3.4v-1.2L5.8 6.6 5.3 5H4V3.7h3.2V5z",
		),
		cut: new Path2D(
			circles([[3.4, 10.6]], 2) +
				circles([[12.6, 10.6]], 2) +
				"M6.7 7.4L8 9.8 10 6.7H7zM5.9 8.6L5.2 10h1.5z",
		),
	},
	ship: {
		fill: new Path2D(
			"M1 9.2L8 7.4l7 1.8-1.9 4.4q-.3.6-1 .6H3.9q-.7 0-1-.6z" +
				"M3.6 7.2V4.6h2.3V2h4.2v2.6h2.3v2.6L8 6.1z",
		),
	},
	plane: {
		fill: new Path2D(
			"M8 .5q1.2 0 1.2 2.2v3.2l6.3 3.7v1.7L9.2 9.6v3.2l2 1.4v1.2L8 14.6" +
				"l-3.2.8v-1.2l2-1.4V9.6L.5 11.3V9.6l6.3-3.7V2.7Q6.8.5 8 .5z",
		),
		turns: true,
	},
});

/** @type {ReturnType<typeof makeGlyphs> | undefined} */
let glyphs;

/** The glyph of a kind; undefined for "other". @param {Kind} kind @returns {Glyph | undefined} */
export function glyphOf(kind) {
	glyphs ??= makeGlyphs(); // Node, which tests the rest, has no Path2D
	return kind === "other" ? undefined : glyphs[kind];
}
