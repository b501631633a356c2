// The layers over a PMTiles archive in Protomaps' basemap schema. Versions 1 to 3 name the field "pmap:kind",
// version 4 "kind". https://docs.protomaps.com/basemaps/layers
import { BOLD, CENTRED, ITALIC, MEDIUM, REGULAR, byZoom } from "./basemap-world.js";

/** @import { ExpressionSpecification, FilterSpecification, LayerSpecification } from "maplibre-gl" */
/** @import { Colors } from "./basemap-colors.js" */
/** @typedef {Extract<LayerSpecification, { type: "line" }>} LineLayer */

/** Layers that identify an archive of this schema. */
export const SCHEMA = ["earth", "roads"];

/** @type {ExpressionSpecification} */
const kind = ["coalesce", ["get", "kind"], ["get", "pmap:kind"], ""];
/**
 * The kind of an area. Version 1 has OpenStreetMap's tags instead of a fine kind.
 * @type {ExpressionSpecification}
 */
const cover = [
	"match",
	kind,
	["", "other"],
	["coalesce", ["get", "natural"], ["get", "landuse"], ["get", "leisure"], ""],
	kind,
];
/** @type {ExpressionSpecification} */
const detail = [
	"coalesce",
	["get", "kind_detail"],
	["get", "pmap:kind_detail"],
	["get", "highway"],
	["get", "place"],
	"",
];
/** @type {ExpressionSpecification} */
const level = [
	"to-number",
	[
		"coalesce",
		["get", "pmap:min_admin_level"],
		["match", kind, "country", 2, "region", 4, ["get", "kind_detail"]],
	],
	8,
];
/** @type {ExpressionSpecification} */
const name = ["coalesce", ["get", "name"], ""];

/** @param {ExpressionSpecification} value @param {...string} of @returns {ExpressionSpecification} */
const among = (value, ...of) => ["match", value, of, true, false];
/**
 * @param {number} from
 * @param {number[]} widths at zoom 8, 11, 14, 16, 18
 * @returns {ExpressionSpecification}
 */
const width = (from, widths) =>
	/** @type {any} */ ([
		"interpolate",
		["exponential", 1.5],
		["zoom"],
		...[8, 11, 14, 16, 18].flatMap((zoom, i) => (zoom < from ? [] : [zoom, widths[i]])),
	]);

/**
 * The classes of roads from minor to major, with the width of the line and the colour of its casing.
 */
const ROADS = /** @type {const} */ ([
	{
		id: "service",
		from: 14,
		color: "street",
		curb: "curb",
		widths: [0, 0, 0.6, 3, 9],
		is: [
			"all",
			among(kind, "minor_road"),
			among(detail, "service", "driveway", "parking_aisle", "alley"),
		],
	},
	{
		id: "minor",
		from: 12.5,
		color: "street",
		curb: "curb",
		widths: [0, 0, 2, 6, 18],
		is: [
			"all",
			among(kind, "minor_road"),
			["!", among(detail, "service", "driveway", "parking_aisle", "alley")],
		],
	},
	{
		id: "medium",
		from: 10,
		color: "street",
		curb: "curb",
		widths: [0, 1.2, 3.2, 8, 22],
		is: [
			"any",
			among(kind, "medium_road"),
			["all", among(kind, "major_road"), among(detail, "tertiary", "tertiary_link")],
		],
	},
	{
		id: "major",
		from: 8,
		color: "road",
		curb: "curb",
		widths: [0.7, 1.8, 4.2, 10, 26],
		is: ["all", among(kind, "major_road"), ["!", among(detail, "tertiary", "tertiary_link")]],
	},
	{
		id: "motorway",
		from: 5,
		color: "motorway",
		curb: "bank",
		widths: [1, 1.9, 4.8, 11, 28],
		is: among(kind, "highway"),
	},
]);

/**
 * @param {Colors} c
 * @param {string} source whose name the layers' names begin with
 * @param {number} from the zoom from which the archive is drawn
 * @returns {LayerSpecification[]} areas and lines, from the bottom up
 */
export function streetShapes(c, source, from) {
	/**
	 * @param {string} id
	 * @param {string} layer
	 * @param {FilterSpecification} filter
	 * @param {string} color
	 * @param {ExpressionSpecification | number} [opacity]
	 * @returns {LayerSpecification}
	 */
	const area = (id, layer, filter, color, opacity = 1) => ({
		id: `${source}-${id}`,
		type: "fill",
		source,
		"source-layer": layer,
		minzoom: from,
		filter,
		paint: { "fill-color": color, "fill-opacity": opacity },
	});
	/**
	 * @param {string} id
	 * @param {string} layer
	 * @param {number} zoom
	 * @param {FilterSpecification} filter
	 * @param {LineLayer["paint"]} paint
	 * @returns {LayerSpecification}
	 */
	const line = (id, layer, zoom, filter, paint) => ({
		id: `${source}-${id}`,
		type: "line",
		source,
		"source-layer": layer,
		minzoom: Math.max(from, zoom),
		filter,
		layout: { "line-join": "round", "line-cap": "round" },
		paint,
	});
	/** @type {FilterSpecification} */
	const polygon = ["==", ["geometry-type"], "Polygon"];
	const fade = byZoom(6, 0.5, 10, 1);
	const parks = among(
		cover,
		"park",
		"cemetery",
		"golf_course",
		"garden",
		"grass",
		"grassland",
		"meadow",
		"recreation_ground",
		"pitch",
		"playground",
		"nature_reserve",
		"national_park",
		"protected_area",
		"village_green",
		"allotments",
	);
	const woods = among(cover, "wood", "forest", "scrub", "orchard", "vineyard");
	return [
		area("earth", "earth", polygon, c.land),
		area(
			"landcover",
			"landcover",
			among(kind, "forest", "grassland", "scrub"),
			c.wood,
			byZoom(4, 0.5, 7, 0.3),
		),
		area("parks", "landuse", parks, c.park, fade),
		area("meadows", "natural", parks, c.park, fade),
		area("woods", "natural", woods, c.wood, fade),
		area("forests", "landuse", woods, c.wood, fade),
		area(
			"campus",
			"landuse",
			among(cover, "hospital", "school", "university", "college", "kindergarten"),
			c.campus,
		),
		area(
			"industry",
			"landuse",
			among(
				cover,
				"industrial",
				"railway",
				"aerodrome",
				"airfield",
				"runway",
				"military",
				"commercial",
			),
			c.industry,
		),
		line("waterways", "physical_line", 9, among(kind, "waterway", "river", "stream", "canal"), {
			"line-color": c.river,
			"line-width": byZoom(9, 0.5, 14, 1.5, 18, 6),
		}),
		line(
			"rivers",
			"water",
			7,
			[
				"all",
				["==", ["geometry-type"], "LineString"],
				among(kind, "river", "stream", "canal", "drain", "ditch"),
			],
			{ "line-color": c.river, "line-width": byZoom(7, 0.5, 14, 1.5, 18, 6) },
		),
		area("water", "water", polygon, c.water),
		{
			id: `${source}-buildings`,
			type: "fill",
			source,
			"source-layer": "buildings",
			minzoom: Math.max(from, 13),
			filter: polygon,
			paint: {
				"fill-color": c.building,
				"fill-outline-color": c.wall,
				"fill-opacity": byZoom(13, 0, 14, 0.75, 16, 1),
			},
		},
		line("paths", "roads", 14, among(kind, "path", "other"), {
			"line-color": c.path,
			"line-width": byZoom(14, 0.5, 18, 2.5),
			"line-dasharray": [2, 1.5],
			"line-opacity": byZoom(14, 0, 15, 1),
		}),
		...ROADS.map((r) =>
			line(`${r.id}-curb`, "roads", Math.max(r.from, 11), /** @type {any} */ (r.is), {
				"line-color": c[r.curb],
				"line-width": 1,
				"line-gap-width": width(r.from, [...r.widths]),
				"line-opacity": byZoom(11, 0.4, 13, 1),
			}),
		),
		...ROADS.map((r) =>
			line(r.id, "roads", r.from, /** @type {any} */ (r.is), {
				// Below the zoom of casings, the colour of streets would not stand out from the land.
				"line-color": [
					"interpolate",
					["linear"],
					["zoom"],
					11,
					r.id === "motorway" ? c.farMotorway : c.far,
					12.5,
					c[r.color],
				],
				"line-width": width(r.from, [...r.widths]),
			}),
		),
		line("rail", "transit", 10, among(kind, "railway", "rail"), rail(c)),
		line("rail-4", "roads", 10, among(kind, "rail"), rail(c)),
		{
			id: `${source}-boundaries`,
			type: "line",
			source,
			"source-layer": "boundaries",
			minzoom: from,
			filter: ["<=", level, 4],
			paint: {
				"line-color": ["case", ["<=", level, 2], c.border, c.state],
				"line-width": [
					"interpolate",
					["linear"],
					["zoom"],
					4,
					["case", ["<=", level, 2], 0.9, 0.5],
					12,
					["case", ["<=", level, 2], 2, 1.2],
				],
				"line-dasharray": [4, 2],
			},
		},
	];
}

/** @param {Colors} c @returns {NonNullable<LineLayer["paint"]>} */
const rail = (c) => ({ "line-color": c.rail, "line-width": byZoom(10, 0.5, 14, 1, 18, 2.5) });

/**
 * @param {Colors} c
 * @param {string} source
 * @param {number} from
 * @param {ExpressionSpecification} where a filter for the places
 * @returns {LayerSpecification[]} labels, from the least to the most important
 */
export function streetNames(c, source, from, where) {
	/** @type {ExpressionSpecification} */
	const quarter = [
		"any",
		among(detail, "neighbourhood", "suburb", "quarter", "borough"),
		among(kind, "neighbourhood", "macrohood"),
	];
	const village = among(detail, "village", "hamlet", "isolated_dwelling", "farm");
	/**
	 * @param {string} id
	 * @param {number} zoom
	 * @param {FilterSpecification} filter
	 * @param {string} color
	 * @param {any} layout
	 * @returns {LayerSpecification}
	 */
	const place = (id, zoom, filter, color, layout) => ({
		id: `${source}-${id}`,
		type: "symbol",
		source,
		"source-layer": "places",
		minzoom: Math.max(from, zoom),
		filter: /** @type {FilterSpecification} */ (["all", filter, where]),
		layout: {
			"text-field": name,
			"text-font": REGULAR,
			"text-max-width": 8,
			"text-padding": 6,
			"text-variable-anchor-offset": CENTRED,
			"symbol-sort-key": ["-", 0, ["to-number", ["get", "population"], 0]],
			...layout,
		},
		paint: { "text-color": color, "text-halo-color": c.land, "text-halo-width": 1.5 },
	});
	return [
		...["physical_line", "water"].map(
			(layer) =>
				/** @type {LayerSpecification} */ ({
					id: `${source}-${layer}-names`,
					type: "symbol",
					source,
					"source-layer": layer,
					minzoom: Math.max(from, 12),
					filter: [
						"all",
						["==", ["geometry-type"], "LineString"],
						among(kind, "waterway", "river", "canal", "stream"),
					],
					layout: {
						"symbol-placement": "line",
						"text-field": name,
						"text-font": ITALIC,
						"text-size": byZoom(12, 11, 16, 13),
						"text-letter-spacing": 0.08,
						"symbol-spacing": 400,
					},
					paint: { "text-color": c.sea, "text-halo-color": c.water, "text-halo-width": 0.8 },
				}),
		),
		{
			id: `${source}-water-points`,
			type: "symbol",
			source,
			"source-layer": "water",
			minzoom: Math.max(from, 8),
			filter: ["==", ["geometry-type"], "Point"],
			layout: { "text-field": name, "text-font": ITALIC, "text-size": 12, "text-max-width": 7 },
			paint: { "text-color": c.sea, "text-halo-color": c.water, "text-halo-width": 1.2 },
		},
		road("minor", 15, among(kind, "minor_road"), byZoom(15, 10, 18, 12.5)),
		road("major", 13, among(kind, "major_road", "medium_road", "highway"), byZoom(13, 10.5, 18, 14)),
		place("quarters", 12, quarter, c.town, {
			"text-size": byZoom(12, 11, 16, 14),
			"text-letter-spacing": 0.04,
		}),
		place("villages", 11, village, c.town, { "text-size": byZoom(11, 11, 16, 15) }),
		place("towns", 8, among(detail, "town"), c.town, {
			"text-font": MEDIUM,
			"text-size": byZoom(8, 11.5, 14, 16),
		}),
		place(
			"cities",
			4,
			["any", among(detail, "city"), ["all", ["==", detail, ""], among(kind, "city", "locality")]],
			c.city,
			{ "text-font": BOLD, "text-size": byZoom(5, 12, 12, 20) },
		),
	];

	/**
	 * @param {string} id
	 * @param {number} zoom
	 * @param {FilterSpecification} filter
	 * @param {ExpressionSpecification} size
	 * @returns {LayerSpecification}
	 */
	function road(id, zoom, filter, size) {
		return {
			id: `${source}-${id}-names`,
			type: "symbol",
			source,
			"source-layer": "roads",
			minzoom: Math.max(from, zoom),
			filter,
			layout: {
				"symbol-placement": "line",
				"text-field": name,
				"text-font": REGULAR,
				"text-size": size,
				"symbol-spacing": 350,
				"text-max-angle": 30,
				"text-padding": 8,
			},
			paint: { "text-color": c.roadText, "text-halo-color": c.street, "text-halo-width": 1.4 },
		};
	}
}
