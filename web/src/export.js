/**
 * export.js writes vehicles as CSV and as GeoJSON, which `livemap replay` reads again.
 */

/** @typedef {import("./fleet.js").Vehicle} Vehicle */

/** The first columns of CSV, by the names that publishers use. */
const FIRST = ["vehicle_id", "timestamp", "lat", "lon", "altitude", "speed_kmh", "heading", "accuracy"];

/** The newest positions of vehicles as a FeatureCollection. @param {Vehicle[]} vehicles */
export function geojsonOf(vehicles) {
	const features = vehicles.map(({ feature }) => JSON.stringify(feature));
	return `{"type":"FeatureCollection","features":[\n${features.join(",\n")}\n]}\n`;
}

/** The newest positions of vehicles as CSV (RFC 4180). @param {Vehicle[]} vehicles */
export function csvOf(vehicles) {
	const rows = vehicles.map(({ feature: { geometry, properties } }) => {
		const [lon, lat, altitude] = geometry.coordinates;
		const time = new Date(properties.timestamp * 1000).toISOString();
		return /** @type {Record<string, any>} */ ({ ...properties, timestamp: time, lat, lon, altitude });
	});
	const columns = [...new Set([...FIRST, ...rows.flatMap(Object.keys)])].filter((column) =>
		rows.some((row) => row[column] !== undefined && row[column] !== null),
	);
	return [columns, ...rows.map((row) => columns.map((column) => row[column]))]
		.map((cells) => cells.map(cell).join(","))
		.map((line) => `${line}\r\n`)
		.join("");
}

/** @param {any} value any JSON, or undefined */
function cell(value) {
	if (value === undefined || value === null) {
		return "";
	}
	let text = typeof value === "object" ? JSON.stringify(value) : String(value);
	if (typeof value === "string" && /^[=+\-@\t\r]/.test(text)) {
		text = `'${text}`; // a spreadsheet would take it for a formula
	}
	return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Saves a text as a file. @param {string} name @param {string} type @param {string} text */
export function download(name, type, text) {
	const link = document.createElement("a");
	link.href = URL.createObjectURL(new Blob([text], { type }));
	link.download = name;
	link.click();
	setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
