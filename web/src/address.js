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
 * @property {typeof SORTS[number]} sort
 * @property {string} q the search text
 * @property {boolean} inView whether the list has only what is on the map's visible part
 * @property {string[]} groups the topics whose vehicles are shown; none: all
 * @property {string[]} only the vehicles that are shown; none: all
 * @property {{lon: number, lat: number, name: string} | null} near the place that distances are of
 * @property {string} colour the property that gives vehicles their colours; "": their states do
 * @property {string[] | null} columns of the list; null: those of this reader's settings
 */

/** What the list can be sorted by, the default first. */
export const SORTS = /** @type {const} */ (["name", "speed", "heard", "silent", "parked", "distance"]);
/** The most vehicles that an address can isolate. */
export const MAX_ONLY = 500;

/** @type {ViewState} */
export const DEFAULTS = {
	map: null,
	vehicle: null,
	follow: false,
	filter: "all",
	sort: "name",
	q: "",
	inView: false,
	groups: [],
	only: [],
	near: null,
	colour: "",
	columns: null,
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
		sort: SORTS.find((known) => known === sort) ?? "name",
		q: params.get("q") ?? "",
		inView: params.has("inview"),
		groups: params.getAll("group").filter(Boolean),
		only: params.getAll("only").filter(Boolean).slice(0, MAX_ONLY),
		near: parseNear(params.get("near") ?? ""),
		colour: params.get("colour") ?? "",
		columns: params.get("cols")?.split(",").filter(Boolean) ?? null,
	};
}

/** @param {string} text latitude/longitude/name, the name may be empty */
function parseNear(text) {
	const [lat, lon, ...name] = text.split("/");
	const sound = lat.trim() && lon?.trim() && Math.abs(Number(lat)) <= 90 && Math.abs(Number(lon)) <= 180;
	return sound ? { lat: Number(lat), lon: Number(lon), name: name.join("/") } : null;
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
	for (const name of /** @type {const} */ (["filter", "sort", "q", "colour"])) {
		if (viewState[name] !== DEFAULTS[name]) {
			parts.push(`${name}=${encodeURIComponent(viewState[name])}`);
		}
	}
	if (viewState.inView) {
		parts.push("inview");
	}
	for (const group of viewState.groups) {
		parts.push(`group=${encodeURIComponent(group)}`);
	}
	for (const id of viewState.only) {
		parts.push(`only=${encodeURIComponent(id)}`);
	}
	if (viewState.near) {
		const { lat, lon, name } = viewState.near;
		parts.push(`near=${lat}/${lon}/${encodeURIComponent(name)}`);
	}
	if (viewState.columns) {
		parts.push(`cols=${viewState.columns.map(encodeURIComponent).join()}`);
	}
	return `#${parts.join("&")}`;
}
