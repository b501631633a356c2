/**
 * street-hint.js says what gives the map streets, where it has none.
 */
import { element } from "../element.js";

/** The zoom from which a map without streets is blank. */
const STREETS_ZOOM = 10;

/**
 * Shows the hint while the middle of the map has no streets, at zooms that would draw them.
 * @param {import("maplibre-gl").Map} map
 * @param {() => boolean} hasStreets whether streets are drawn in the middle of the map
 */
export function streetHint(map, hasStreets) {
	const hint = element("street-hint", HTMLElement);
	const update = () => {
		hint.hidden = map.getZoom() < STREETS_ZOOM || hasStreets();
	};
	map.on("moveend", update);
	map.on("style.load", update);
	update();
}

/**
 * Whether a place is in one of the areas.
 * @param {{ lng: number, lat: number }} place degrees
 * @param {import("./basemap.js").Area[]} areas
 */
export function isWithin({ lng, lat }, areas) {
	return areas.some(([west, south, east, north]) => {
		return west <= lng && lng <= east && south <= lat && lat <= north;
	});
}
