/**
 * geodesy.js measures on the sphere.
 */

/** @typedef {{lon: number, lat: number}} Place degrees */

const EARTH_RADIUS = 6_371_008.8; // metres, the mean
const RADIANS = Math.PI / 180;

/** Metres between two places along a great circle. @param {Place} a @param {Place} b */
export function distance(a, b) {
	const [dLat, dLon] = [(b.lat - a.lat) * RADIANS, (b.lon - a.lon) * RADIANS];
	const h =
		Math.sin(dLat / 2) ** 2 +
		Math.cos(a.lat * RADIANS) * Math.cos(b.lat * RADIANS) * Math.sin(dLon / 2) ** 2;
	return 2 * EARTH_RADIUS * Math.asin(Math.min(1, Math.sqrt(h)));
}

/** The direction from a to b, in degrees clockwise from north. @param {Place} a @param {Place} b */
export function bearing(a, b) {
	const [from, to, dLon] = [a.lat * RADIANS, b.lat * RADIANS, (b.lon - a.lon) * RADIANS];
	const east = Math.sin(dLon) * Math.cos(to);
	const north = Math.cos(from) * Math.sin(to) - Math.sin(from) * Math.cos(to) * Math.cos(dLon);
	return (Math.atan2(east, north) / RADIANS + 360) % 360;
}

/**
 * A place in a text: latitude and longitude in decimal degrees, in this order unless letters say otherwise.
 * @param {string} text such as "52.52, 13.405", "52.52N 13.405E" or "13.405E 52.52N"
 * @returns {Place | null}
 */
export function parseCoordinates(text) {
	const number = "([-+]?\\d{1,3}(?:\\.\\d+)?)\\s*°?";
	const [before, after] = ["([NSEW]?)\\s*" + number + "()", "()" + number + "\\s*([NSEW]?)"];
	const found = [before, after]
		.map((part) => new RegExp(`^\\s*${part}(?:\\s*[,;/]\\s*|\\s+)${part}\\s*$`, "i").exec(text))
		.find(Boolean);
	if (!found) {
		return null;
	}
	const parts = [found.slice(1, 4), found.slice(4, 7)].map(([before, number, after]) => {
		const letter = (before || after).toUpperCase();
		return { letter, value: Number(number) * (/[SW]/.test(letter) ? -1 : 1) };
	});
	const swapped = /[EW]/.test(parts[0].letter) || /[NS]/.test(parts[1].letter);
	const [lat, lon] = swapped ? [parts[1], parts[0]] : parts;
	const sound =
		/^[NS]?$/.test(lat.letter) &&
		/^[EW]?$/.test(lon.letter) &&
		Math.abs(lat.value) <= 90 &&
		Math.abs(lon.value) <= 180;
	return sound ? { lon: lon.value, lat: lat.value } : null;
}
