/**
 * texts.js holds texts of the page, so that they can be had in other languages.
 */

export const TEXTS = {
	rows: {
		parked: "Parked",
		silent: "Silent",
		unknown: "Speed unknown",
		/** @param {string} distance @param {string} direction @param {string} town */
		from: (distance, direction, town) => `${distance} ${direction} of ${town}`,
		/** @param {string} distance */
		away: (distance) => `${distance} away`,
	},
	columns: {
		activity: "Speed, or how long it stands or is silent",
		heard: "Last heard",
		label: "Name",
		driver: "Driver",
		line: "Line",
		place: "Place",
	},
	chips: {
		/** @param {string} name */
		near: (name) => `Nearest to ${name}`,
		/** @param {number} count */
		only: (count) => `Only ${count} ${count === 1 ? "vehicle" : "vehicles"}`,
		/** @param {string} what */
		remove: (what) => `Remove: ${what}`,
		other: "other",
	},
	search: {
		/** @param {string} name */
		group: (name) => `Group ${name}`,
		/** @param {string} name */
		place: (name) => `Nearest to ${name}`,
		here: "Nearest to the middle of the map",
		me: "Nearest to my position",
		middle: "the middle of the map",
		myPosition: "my position",
	},
	find: {
		/** @param {string} id */
		forbidden: (id) => `You may not look for the vehicle “${id}” by its name.`,
		/** @param {string} id */
		none: (id) => `The hub knows no vehicle “${id}”.`,
		away: "The hub cannot be asked now.",
		gone: "Gone: the hub no longer knows it.",
	},
	tools: {
		measure: "Click places on the map to measure the way.",
		noPosition: "This browser does not know its position.",
		refused: "The browser may not tell your position. Allow it in the settings of this site.",
		unknown: "Your position is not known now.",
	},
	chosen: {
		/** @param {number} count */
		count: (count) => `${count} chosen`,
		/** @param {number} most */
		tooMany: (most) => `At most ${most} vehicles can be isolated: the address would be too long.`,
	},
};
