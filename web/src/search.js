/**
 * search.js finds vehicles by words, by the hub's rule for GET /vehicles?q=: every word is a part of a text
 * among the properties, at any depth, or a whole number, true or false. Capitals and accents do not count.
 */

/** @typedef {import("./livemap.js").Feature} Feature */

/** Letters that have no decomposition, as people write them without. @type {Record<string, string>} */
const FOLDS = {
	...{ ß: "ss", æ: "ae", œ: "oe", ø: "o", ł: "l", đ: "d", ð: "d", þ: "th", ħ: "h", ŧ: "t" },
	...{ ı: "i", ς: "σ" },
};
const FOLDED = new RegExp(`[${Object.keys(FOLDS).join("")}]`, "g");
/** Folded texts that are kept: most properties have the same text in the next position. */
const MAX_KEPT = 50_000;
/** @type {Map<string, string>} */
const kept = new Map();

/** A text without accents and capitals: "Łódź" is "lodz". @param {string} text */
export function fold(text) {
	if (/^[\x20-\x7e]*$/.test(text)) {
		return text.toLowerCase();
	}
	let folded = kept.get(text);
	if (folded === undefined) {
		folded = text
			.normalize("NFKD")
			.toLowerCase()
			.replace(/\p{Mn}/gu, "")
			.replace(FOLDED, (c) => FOLDS[c]);
		if (kept.size >= MAX_KEPT) {
			kept.clear();
		}
		kept.set(text, folded);
	}
	return folded;
}

/** The words of a search. @param {string} q */
export const wordsOf = (q) => q.split(/\s+/).map(fold).filter(Boolean);

/** Whether a value holds a word. @param {any} value any JSON @param {string} word @returns {boolean} */
function holds(value, word) {
	switch (typeof value) {
		case "string":
			return fold(value).includes(word);
		case "object":
			return value === null ? word === "null" : Object.values(value).some((v) => holds(v, word));
		default:
			return String(value) === word;
	}
}

/**
 * A function that tells whether a vehicle's Feature has all words. It remembers what it has found.
 * @param {string} q
 * @returns {((feature: Feature) => boolean) | null} null: no words, which every vehicle has
 */
export function matcher(q) {
	const words = wordsOf(q);
	/** @type {WeakMap<Feature, boolean>} */
	const known = new WeakMap();
	return words.length === 0
		? null
		: (feature) => {
				let found = known.get(feature);
				if (found === undefined) {
					found = words.every((word) => holds(feature.properties, word));
					known.set(feature, found);
				}
				return found;
			};
}
