/**
 * settings.js keeps how this reader likes speeds, distances and times, in this browser.
 */

const KEY = "livemap-settings";

/** The choices, the default first. */
export const CHOICES = /** @type {const} */ ({
	speed: ["km/h", "mph", "knots"],
	clock: ["system", "24", "12"],
	zone: ["local", "utc"],
});

/**
 * @typedef {{[name in keyof typeof CHOICES]: typeof CHOICES[name][number]}} Chosen
 * @typedef {Chosen & {columns: string[] | null}} Settings `columns`: of the list; null: the default
 */

/** The current settings. @type {Settings} */
export const settings = { speed: "km/h", clock: "system", zone: "local", columns: null };

/** @type {(() => void)[]} */
const listeners = [];

/** Calls a function after each change. @param {() => void} listener */
export const onSettings = (listener) => listeners.push(listener);

/** Changes settings, and keeps them. @param {Partial<Settings>} next */
export function changeSettings(next) {
	Object.assign(settings, sound(next));
	try {
		localStorage.setItem(KEY, JSON.stringify(settings));
	} catch {
		// This browser keeps nothing: they hold until the page is closed.
	}
	listeners.forEach((listener) => listener());
}

/** What is a setting of these. @param {any} given @returns {Partial<Settings>} */
function sound(given) {
	/** @type {Record<string, any>} */
	const kept = {};
	for (const [name, choices] of Object.entries(CHOICES)) {
		if (/** @type {readonly any[]} */ (choices).includes(given?.[name])) {
			kept[name] = given[name];
		}
	}
	const { columns } = given ?? {};
	if (columns === null || (Array.isArray(columns) && columns.every((c) => typeof c === "string"))) {
		kept.columns = columns;
	}
	return kept;
}

/** Reads what was kept. */
export function loadSettings() {
	try {
		Object.assign(settings, sound(JSON.parse(localStorage.getItem(KEY) ?? "{}")));
	} catch {
		// Nothing is kept, or it is no JSON.
	}
}

loadSettings();
