// The layers of the offline base map: Natural Earth's outlines, SimpleMaps' places.

/** @import { ExpressionSpecification, FilterSpecification, LayerSpecification } from "maplibre-gl" */
/** @import { Colors } from "./basemap-colors.js" */

/**
 * Font families of the reader's machine. MapLibre reads weight and slant from the first name.
 */
const FAMILIES = ["system-ui", "Segoe UI", "Roboto", "Helvetica Neue", "Arial", "sans-serif"];
export const REGULAR = ["Regular", ...FAMILIES];
export const MEDIUM = ["Medium", ...FAMILIES];
export const BOLD = ["Semibold", ...FAMILIES];
export const ITALIC = ["Italic", ...FAMILIES];

/**
 * Where a name may stand, the best first, in ems of its text: beside the dot of its place, or farther away if
 * a cluster of vehicles covers that.
 * @type {any}
 */
const BESIDE = [0.45, 2.3].flatMap((away) => [
	...["left", [away, 0], "right", [-away, 0], "bottom", [0, -away], "top", [0, away]],
]);
/** Likewise for a name that stands on its place. @type {any} */
export const CENTRED = [
	...["center", [0, 0], "bottom", [0, -1.9], "top", [0, 1.9], "left", [2.2, 0], "right", [-2.2, 0]],
];

/** The zoom from which the graticule is drawn. Without it, movement over empty land would be invisible. */
export const GRID_ZOOM = 8;

/** @param {...number} stops zoom, value, zoom, value, … @returns {ExpressionSpecification} */
export const byZoom = (...stops) => /** @type {any} */ (["interpolate", ["linear"], ["zoom"], ...stops]);

/**
 * @param {Colors} c
 * @returns {LayerSpecification[]} water, land and lines, from the bottom up
 */
export function worldShapes(c) {
	return [
		{ id: "water", type: "background", paint: { "background-color": c.water } },
		line("shore", "land", {
			"line-color": c.shore,
			"line-width": byZoom(1, 5, 5, 14, 9, 28),
			"line-blur": byZoom(1, 4, 5, 12, 9, 24),
			"line-opacity": byZoom(9, 1, 12, 0),
		}),
		{
			id: "land",
			type: "fill",
			source: "atlas",
			"source-layer": "land",
			paint: { "fill-color": c.land },
		},
		line(
			"states",
			"states",
			{
				"line-color": c.state,
				"line-width": byZoom(3, 0.5, 8, 1.2),
				"line-opacity": byZoom(3, 0, 4, 1),
				"line-dasharray": [3, 2],
			},
			3,
		),
		line(
			"rivers",
			"rivers",
			{
				"line-color": c.river,
				"line-width": byZoom(2.5, 0.3, 5, 0.8, 9, 1.8),
				"line-opacity": byZoom(2.5, 0, 3.5, 1, 9, 0.9, 12, 0.4),
			},
			2.5,
		),
		{
			id: "lakes",
			type: "fill",
			source: "atlas",
			"source-layer": "lakes",
			paint: { "fill-color": c.water },
		},
		line(
			"lake-shores",
			"lakes",
			{
				"line-color": c.coast,
				"line-width": byZoom(4, 0.3, 9, 1),
				"line-opacity": byZoom(4, 0, 5.5, 1, 10, 1, 13, 0.5),
			},
			4,
		),
		line("coast", "land", {
			"line-color": c.coast,
			"line-width": byZoom(1, 0.4, 5, 0.7, 9, 1),
			"line-opacity": byZoom(10, 1, 13, 0.5),
		}),
		line("borders", "borders", {
			"line-color": c.border,
			"line-width": byZoom(1, 0.4, 4, 0.9, 9, 1.6),
			"line-opacity": byZoom(1, 0.7, 4, 1),
		}),
		{
			id: "grid",
			type: "line",
			source: "grid",
			minzoom: GRID_ZOOM,
			paint: {
				"line-color": c.grid,
				"line-width": 1,
				"line-opacity": [
					"interpolate",
					["linear"],
					["zoom"],
					GRID_ZOOM,
					0,
					GRID_ZOOM + 1,
					["case", ["get", "strong"], 1, 0.55],
				],
			},
		},
	];
}

/**
 * @param {Colors} c
 * @param {ExpressionSpecification} [where] a filter for all names
 * @returns {LayerSpecification[]} labels, from the least to the most important
 */
export function worldNames(c, where = ["literal", true]) {
	/**
	 * @param {number} [early] levels
	 * @returns {FilterSpecification} rank is the zoom from which a name is shown
	 */
	const shown = (early = 0) => ["all", ["<=", ["get", "rank"], ["+", ["zoom"], early]], where];
	return [
		{
			id: "place-dots",
			type: "circle",
			source: "atlas",
			"source-layer": "places",
			minzoom: 3,
			maxzoom: 12,
			filter: shown(),
			paint: {
				"circle-radius": [
					"interpolate",
					["linear"],
					["zoom"],
					3,
					["match", ["get", "capital"], 1, 2.2, 1.7],
					10,
					["match", ["get", "capital"], 1, 3.6, 2.4],
				],
				"circle-color": c.land,
				"circle-stroke-color": c.dot,
				"circle-stroke-width": ["match", ["get", "capital"], 1, 1.4, 1],
				"circle-opacity": byZoom(11, 1, 12, 0),
				"circle-stroke-opacity": byZoom(11, 1, 12, 0),
			},
		},
		{
			id: "place-names",
			type: "symbol",
			source: "atlas",
			"source-layer": "places",
			minzoom: 3,
			filter: shown(),
			layout: {
				"text-field": ["get", "name"],
				"text-font": [
					"case",
					["any", ["==", ["get", "capital"], 1], [">", ["get", "population"], 3e6]],
					["literal", MEDIUM],
					["literal", REGULAR],
				],
				"text-size": [
					"interpolate",
					["linear"],
					["zoom"],
					3,
					size(10.5, 11.5, 12.5),
					7,
					size(11, 12.5, 15),
					12,
					size(12.5, 15, 19),
				],
				"text-variable-anchor-offset": BESIDE,
				"text-justify": "auto",
				"text-max-width": 8,
				"text-padding": 6,
				"symbol-sort-key": ["-", ["get", "rank"], ["/", ["get", "population"], 5e7]],
			},
			paint: {
				"text-color": ["step", ["get", "population"], c.town, 2e5, c.city],
				"text-halo-color": c.land,
				"text-halo-width": 1.4,
			},
		},
		{
			id: "sea-names",
			type: "symbol",
			source: "atlas",
			"source-layer": "seas",
			maxzoom: 8,
			filter: shown(),
			layout: {
				"text-field": ["get", "name"],
				"text-font": ITALIC,
				"text-size": byZoom(1, 10.5, 5, 14),
				"text-letter-spacing": 0.12,
				"text-max-width": 7,
				"text-padding": 8,
				"symbol-sort-key": ["get", "rank"],
			},
			paint: { "text-color": c.sea, "text-halo-color": c.water, "text-halo-width": 1 },
		},
		{
			id: "country-names",
			type: "symbol",
			source: "atlas",
			"source-layer": "countries",
			maxzoom: 7.5,
			filter: shown(0.7),
			layout: {
				"text-field": ["get", "name"],
				"text-font": BOLD,
				"text-letter-spacing": 0.05,
				"text-max-width": 7,
				"text-padding": 4,
				"text-variable-anchor-offset": CENTRED,
				"text-size": [
					"interpolate",
					["linear"],
					["zoom"],
					1,
					["interpolate", ["linear"], ["get", "rank"], -1, 11.5, 2, 10],
					6,
					["interpolate", ["linear"], ["get", "rank"], 0, 18, 5, 12],
				],
				"symbol-sort-key": ["get", "rank"],
			},
			paint: {
				"text-color": c.country,
				"text-halo-color": c.land,
				"text-halo-width": 1.5,
				"text-opacity": byZoom(6.5, 1, 7.5, 0),
			},
		},
	];
}

/** @param {number} town @param {number} city @param {number} metropolis @returns {ExpressionSpecification} */
function size(town, city, metropolis) {
	return ["interpolate", ["linear"], ["get", "population"], 2e4, town, 3e5, city, 5e6, metropolis];
}

/**
 * @param {string} id @param {string} layer of the tiles
 * @param {NonNullable<Extract<LayerSpecification, { type: "line" }>["paint"]>} paint
 * @param {number} [minzoom]
 * @returns {LayerSpecification}
 */
function line(id, layer, paint, minzoom = 0) {
	return {
		id,
		type: "line",
		source: "atlas",
		"source-layer": layer,
		minzoom,
		layout: { "line-join": "round", "line-cap": "butt" },
		paint,
	};
}
