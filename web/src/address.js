/**
 * address.js keeps the view in the page's address, so that a link shares it:
 * #map=12.5/48.137/11.575&vehicle=TRUCK-042&follow&filter=moving&q=042&inview
 */

/**
 * @typedef {object} ViewState
 * @property {{zoom: number, lat: number, lon: number} | null} map degrees; null: fits the vehicles
 * @property {string | null} vehicle
 * @property {boolean} follow
 * @property {"all" | import("./fleet.js").State} filter
 * @property {"name" | "speed" | "heard"} sort
 * @property {string} q the search text
 * @property {boolean} inView whether the list has only what is on the map's visible part
 */

/** @type {ViewState} */
export const DEFAULTS = {
	map: null,
	vehicle: null,
	follow: false,
	filter: "all",
	sort: "name",
	q: "",
	inView: false,
};

/** @type {import("./fleet.js").State[]} */
const FILTERS = ["moving", "parked", "unknown", "silent"];

/**
 * Parses an address's fragment. Parts that it cannot parse get their defaults.
 * @param {string} hash
 * @returns {ViewState}
 */
export function parse(hash) {
	const params = new URLSearchParams(hash.replace(/^#/, ""));
	const filter = params.get("filter");
	const sort = params.get("sort");
	return {
		map: parseMap(params.get("map") ?? ""),
		vehicle: params.get("vehicle") || null,
		follow: params.has("follow"),
		filter: FILTERS.find((known) => known === filter) ?? "all",
		sort: sort === "speed" || sort === "heard" ? sort : "name",
		q: params.get("q") ?? "",
		inView: params.has("inview"),
	};
}

/** @param {string} text zoom/latitude/longitude, in OpenStreetMap's order */
function parseMap(text) {
	const [zoom, lat, lon, ...rest] = text
		.split("/")
		.map((part) => (part.trim() === "" ? NaN : Number(part)));
	const sound = rest.length === 0 && zoom >= 0 && zoom <= 24 && Math.abs(lat) <= 90 && Math.abs(lon) <= 180;
	return sound ? { zoom, lat, lon } : null;
}

/** @param {ViewState} viewState @returns {string} a fragment with its # */
export function format(viewState) {
	const parts = [];
	if (viewState.map) {
		const digits = Math.max(2, Math.ceil((viewState.map.zoom * Math.LN2) / Math.LN10) + 1);
		const { zoom, lat, lon } = viewState.map;
		parts.push(`map=${+zoom.toFixed(2)}/${lat.toFixed(digits)}/${lon.toFixed(digits)}`);
	}
	if (viewState.vehicle !== null) {
		parts.push(`vehicle=${encodeURIComponent(viewState.vehicle)}`);
		if (viewState.follow) {
			parts.push("follow");
		}
	}
	for (const name of /** @type {const} */ (["filter", "sort", "q"])) {
		if (viewState[name] !== DEFAULTS[name]) {
			parts.push(`${name}=${encodeURIComponent(viewState[name])}`);
		}
	}
	if (viewState.inView) {
		parts.push("inview");
	}
	return `#${parts.join("&")}`;
}
