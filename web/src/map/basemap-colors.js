// The base map's colours: muted, so that blue, slate and amber vehicles stand out. A text's halo has the
// colour of its ground. A test checks that the two contrast by at least 4.5 to 1.

/**
 * @typedef {object} Colors
 * @property {string} water
 * @property {string} shore the soft edge of the sea
 * @property {string} coast
 * @property {string} river
 * @property {string} land
 * @property {string} border between countries
 * @property {string} state
 * @property {string} grid
 * @property {string} dot a town's rim
 * @property {string} country text
 * @property {string} city text
 * @property {string} town text
 * @property {string} sea text
 * @property {string} park
 * @property {string} wood
 * @property {string} campus hospitals, schools
 * @property {string} industry
 * @property {string} building
 * @property {string} wall a building's outline
 * @property {string} street
 * @property {string} road
 * @property {string} motorway
 * @property {string} curb the casing of streets
 * @property {string} bank the casing of motorways
 * @property {string} far streets where they have no casing yet
 * @property {string} farMotorway
 * @property {string} path
 * @property {string} rail
 * @property {string} roadText
 */

/** @type {Colors} */
export const light = {
	water: "#cfdfea",
	shore: "#c1d5e3",
	coast: "#a8c0d0",
	river: "#b4cddd",
	land: "#f4f2ee",
	border: "#b5adb8",
	state: "#d3ced2",
	grid: "#e3dfd8",
	dot: "#8b919b",
	country: "#5a6270",
	city: "#2c3442",
	town: "#4d5562",
	sea: "#41647f",
	park: "#e2ebd9",
	wood: "#d9e5d1",
	campus: "#f0ebe6",
	industry: "#ebe9e8",
	building: "#e8e4de",
	wall: "#dcd7cf",
	street: "#ffffff",
	road: "#ffffff",
	motorway: "#f8ecd6",
	curb: "#d5cfc5",
	bank: "#dccbab",
	far: "#d5cfc5",
	farMotorway: "#dccbab",
	path: "#dcd5ca",
	rail: "#d3d0d0",
	roadText: "#5c6270",
};

/** @type {Colors} */
export const dark = {
	water: "#121a23",
	shore: "#16212c",
	coast: "#36454f",
	river: "#2c3e4c",
	land: "#20272f",
	border: "#566070",
	state: "#38414c",
	grid: "#2a323b",
	dot: "#8d97a3",
	country: "#9ba6b4",
	city: "#dbe2ea",
	town: "#b3bdc9",
	sea: "#7392a8",
	park: "#212f2b",
	wood: "#1f2d28",
	campus: "#252b33",
	industry: "#262c33",
	building: "#2a323b",
	wall: "#333c46",
	street: "#343e49",
	road: "#3d4854",
	motorway: "#4f5966",
	curb: "#1a2027",
	bank: "#191e25",
	far: "#343e49",
	farMotorway: "#4a5461",
	path: "#333c46",
	rail: "#3f4853",
	roadText: "#b1bbc7",
};
