/**
 * texts.js holds all texts of the page, so that they can be had in other languages. The elements of
 * index.html name theirs by `data-text`, `data-aria-label`, `data-title` and `data-placeholder`.
 */

/** The language of the texts, numbers and names of countries (BCP 47). */
export const LANGUAGE = "en";

/** What a vehicle is in each state, in a sentence. */
const ADJECTIVES = {
	all: "known",
	moving: "moving",
	parked: "parked",
	unknown: "of unknown speed",
	silent: "silent",
};

/** @param {number} n @param {string} one @param {string} more */
const plural = (n, one, more) => (n === 1 ? one : more);

export const TEXTS = {
	name: "Live Map",
	/** @param {string} vehicle */
	title: (vehicle) => `${vehicle} – Live Map`,
	states: {
		all: "All",
		moving: "Moving",
		parked: "Parked",
		unknown: "Unknown",
		unknownSpeed: "Speed unknown",
		silent: "Silent",
	},
	time: {
		/** @param {number} n */
		seconds: (n) => `${n} s`,
		/** @param {number} n */
		minutes: (n) => `${n} min`,
		/** @param {number} n */
		hours: (n) => `${n} h`,
		/** @param {string} n two or more */
		days: (n) => `${n} days`,
		/** @param {string} duration */
		ahead: (duration) => `${duration} ahead`,
		/** @param {string} duration */
		ago: (duration) => `${duration} ago`,
		now: "now",
	},
	values: { unknown: "unknown", yes: "yes", no: "no" },
	compass: ["N", "NE", "E", "SE", "S", "SW", "W", "NW"],
	/** Kinds of characters in ids that look alike. */
	characters: { digit: "digit", cyrillic: "Cyrillic", greek: "Greek", latin: "Latin" },

	panel: {
		vehicles: "Vehicles",
		raise: "Make the panel larger",
		lower: "Make the panel small",
		skip: "Skip to the list of vehicles",
		details: "Details",
		retry: "Try now",
		search: "Search vehicles",
		placeholder: "Vehicles, groups, places",
		suggestions: "Suggestions",
		chips: "Shown are only",
		groups: "Groups",
		filter: "Which vehicles to show",
		inView: "Only in view",
		sort: "Sort",
		isolate: "Show only these",
		chooseNone: "Choose none",
		signOut: "Sign out",
	},
	sorts: {
		name: "name",
		speed: "speed",
		heard: "last heard",
		silent: "longest silent",
		parked: "longest parked",
		distance: "distance",
	},
	options: {
		title: "Options",
		columns: "Columns",
		units: "Units",
		speed: "Speed",
		kmh: "km/h",
		mph: "mph",
		knots: "knots",
		clock: "Clock",
		system: "system’s",
		hours24: "24 hours",
		hours12: "12 hours",
		zone: "Time zone",
		local: "local",
		utc: "UTC",
		choose: "Choose several vehicles",
		export: "Export the list",
		csv: "CSV",
		geojson: "GeoJSON",
	},
	keys: {
		title: "Keyboard shortcuts",
		close: "Close",
		search: "search vehicles, groups, places and coordinates",
		list: "go through the list",
		enter: "select the vehicle, or the first that was found",
		range: "choose several vehicles in a row",
		one: "choose one more vehicle",
		all: "choose all vehicles of the list",
		isolate: "show only the chosen vehicles; again: show all",
		follow: "follow the selected vehicle",
		stack: "list the vehicles at the selected one, or at the middle of the map",
		measure: "measure: click, or press Enter on the map for its middle",
		here: "find the nearest vehicles to a place of the map",
		hereKey: "right click",
		escape: "end what was begun last",
		help: "this list",
		towns: "Names of towns: SimpleMaps, CC BY 4.0.",
	},
	rows: {
		/** @param {string} duration "" if it says nothing */
		parked: (duration) => `Parked ${duration}`,
		/** @param {string} duration */
		silent: (duration) => `Silent ${duration}`,
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
	summary: {
		/** @param {string} n @param {number} count @param {boolean} complete whether it is the whole fleet */
		fleet: (n, count, complete) =>
			`${n} ${plural(count, "vehicle", "vehicles")}${complete ? "" : " around here"}`,
		/** @param {string} shown @param {string} fleet */
		of: (shown, fleet) => `${shown} of ${fleet}`,
		/** @param {"view" | "fleet" | "around"} where @param {string} ago "" if it is fresh */
		searched: (where, ago) => {
			const place = { view: "what is in view", fleet: "the whole fleet", around: "what is around here" };
			return `searched ${place[where]}${ago && `, as of ${ago}`}`;
		},
		inView: "only in view",
	},
	empty: {
		/** @param {string} id */
		search: (id) => `No vehicle matches. Enter looks for the vehicle “${id}” at the hub.`,
		/** @param {"all" | "moving" | "parked" | "unknown" | "silent"} state @param {boolean} inView */
		filter: (state, inView) => `No vehicle${inView ? " in view" : ""} is ${ADJECTIVES[state]}.`,
		none: "No vehicle has reported yet.",
		/** @param {string} why */
		publish: (why) => `${why} This publishes one:`,
		around: "No vehicle is around here.",
	},
	chips: {
		/** @param {string} name */
		near: (name) => `Nearest to ${name}`,
		/** @param {number} count */
		only: (count) => `Only ${count} ${plural(count, "vehicle", "vehicles")}`,
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
		unknown: "The hub knows no such vehicle.",
	},
	chosen: {
		none: "Tap or click the vehicles.",
		/** @param {number} count */
		count: (count) => `${count} chosen`,
		/** @param {number} most */
		tooMany: (most) => `At most ${most} vehicles can be isolated: the address would be too long.`,
	},

	details: {
		selected: "Selected vehicle",
		close: "Close the details",
		follow: "Follow",
		show: "Show",
		showOnMap: "Show on the map",
		copy: "Copy link",
		copied: "Copied",
		copyYourself: "Copy it from the address bar",
		telemetry: "Telemetry",
		states: { moving: "Moving", parked: "Parked", unknown: "Speed unknown", silent: "Silent" },
		/** @param {"moving" | "parked" | "unknown" | "silent"} state */
		was: (state) => `Was ${ADJECTIVES[state]}`,
		/** @param {string} state @param {string} ago "": just now */
		fixed: (state, ago) => `${state}, last fix ${ago || "just now"}`,
		speed: "Speed",
		heading: "Heading",
		position: "Position",
		altitude: "Altitude",
		accuracy: "Accuracy",
		fix: "Fix",
		/** @param {string} characters */
		more: (characters) => `more (${characters} characters)`,
		less: "less",
	},
	connection: {
		connecting: "Connecting…",
		live: "Live",
		stale: "No sign of life",
		frozen: "Not live",
		waiting: "Reconnecting",
		refused: "Not live",
		closed: "Closed",
		/** @param {string} duration */
		in: (duration) => `in ${duration}`,
		/** @param {string} time */
		asOf: (time) => `Not live: positions as of ${time}`,
		/** @param {string} time */
		frozenAsOf: (time) => `The hub cannot reach its journal; what you see is from ${time}`,
		signedOut: "You are not signed in.",
		resumed: "Resumed: nothing was missed.",
		newest: "Resumed with the newest positions.",
		reread: "All positions were read again.",
		away: "The hub cannot be reached.",
		quiet: "Nothing came for a while.",
		mute: "The hub does not answer.",
		unproven: "The hub cannot prove that it is up to date.",
		tooMany: "Too many streams are open.",
		restarting: "The hub is restarting.",
		cut: "The connection was cut.",
	},

	map: {
		title: "Map of the vehicles",
		zoomIn: "Zoom in",
		zoomOut: "Zoom out",
		overview: "Show all vehicles",
		measure: "Measure a distance",
		locate: "Go to my position",
		legend: "Legend",
		nearest: "Nearest vehicles to here",
		/** @param {string} id @param {string} away such as "3.4 km NE" */
		beyond: (id, away) => `Show ${id}, ${away} of the middle of the map`,
		simple: "Simple map",
		simpleMeans:
			"Outlines and vehicles are drawn all the same, but no streets. Everything else works as usual.",
		noWebGL2: "This browser has no WebGL2 here, which the full map needs.",
		stopped: "The browser has stopped drawing the full map.",
		/** @param {unknown} reason */
		notFull: (reason) => `The full map cannot be drawn: ${reason}`,
		/** @param {unknown} reason */
		notDrawn: (reason) => `The map cannot be drawn: ${reason}`,
		noStreets: "No streets here",
		streetsNeed: "The hub has no street map of this place. Whoever runs it can start it with one:",
		pmtilesMeans: "for a PMTiles archive of the place in Protomaps’ basemap schema,",
		or: "or",
		styleMeans: "for any MapLibre style.",
		/** @param {string} name @param {unknown} reason */
		badArchive: (name, reason) => `The street map ${name} could not be read: ${reason}`,
		/** @param {string} name @param {string} layers "" if they are not known */
		otherTiles: (name, layers) =>
			`The tiles of the archive ${name} are not in Protomaps' basemap schema (it has ` +
			`${layers || "an unknown tile type"}), so it is not shown.`,
		/** @param {unknown} reason */
		noBaseMap: (reason) => `The base map could not be loaded: ${reason}`,
		/** @param {unknown} reason */
		noStyle: (reason) => `The map's style could not be loaded, so the world is shown: ${reason}`,
		/** @param {unknown} reason */
		incomplete: (reason) => `Parts of the map could not be loaded: ${reason}`,
	},
	tools: {
		measure: "Click places on the map to measure the way.",
		noPosition: "This browser does not know its position.",
		refused: "The browser may not tell your position. Allow it in the settings of this site.",
		unknown: "Your position is not known now.",
	},

	signIn: {
		title: "Sign in",
		token: "Access code, or the whole link",
		submit: "Sign in",
		operator: "For whoever runs the map",
		/** @param {string} host */
		at: (host) => `Sign in at ${host}`,
		/** @param {string} name "" if it has none */
		as: (name) => (name ? `Signed in as ${name}` : "Signed in"),
		/** @param {string} time */
		shownFrom: (time) => `What is shown is from ${time}, and not live.`,
		redirecting: "You are being taken there.",
		notOut: "The hub cannot be reached, so you are still signed in.",
	},
	/** Why there is no map, and what to do. `login`: there is a login page, else people get links. */
	access: {
		/** @param {boolean} login */
		again: (login) => (login ? "Sign in again." : "Ask whoever sent it to you for a new one."),
		/** @param {boolean} login */
		needed: (login) =>
			login
				? "Sign in to see this map."
				: "This map is not public. Open the link that you were sent, or enter your access code.",
		/** @param {boolean} login @param {string} time "" if it is not known */
		expired: (login, time) => {
			const what = login ? "Your sign-in" : "Your link";
			return `${what} has expired${time && `: it was valid until ${time}`}.`;
		},
		/** @param {boolean} login @param {string} time */
		early: (login, time) =>
			`${login ? "Your sign-in" : "Your link"} is not valid yet: it works from ${time}. Try again then.`,
		foreign: "This link is not for this map. Check that you have the right one.",
		withdrawn: "Your access has been withdrawn. If you need it, ask whoever gave it to you.",
		damaged: "This link or code is not complete. Copy all of it and try again.",
		nothing: "Your access covers no vehicles. Ask whoever gave it to you to extend it.",
		topic: "Your access does not cover these vehicles. Ask whoever gave it to you to extend it.",
		keys:
			"The map cannot check who you are just now. Try again in a minute. If that does not help, tell whoever " +
			"runs the map.",
		away: "The map's server cannot be reached. Check your network, then open the link again.",
		useless: "This link does not work here.",
		signedOut: "You are no longer signed in.",
		openAgain: "Open your link again, or ask for a new one.",
		/** @param {string} own @param {string} hubs */
		clocks: (own, hubs) =>
			`This computer's clock says ${own}, and the map's says ${hubs}. By the map's clock your link is not ` +
			"valid. If yours is wrong, set it and try again; otherwise tell whoever runs the map.",
	},

	kinds: {
		truck: "Truck",
		van: "Van",
		bus: "Bus",
		car: "Car",
		bike: "Bike",
		ship: "Ship",
		plane: "Plane",
		other: "Other",
	},
	legend: {
		signs: "Signs on the map",
		colours: "Colours",
		by: "Colour by",
		state: "what it does",
		kind: "kind",
		other: "other",
		heading: "Points where it heads",
		guess: "Hollow: a guess",
		/** @param {string} property */
		colourBy: (property) => `Colour: ${property}`,
	},
	hover: {
		/** @param {string} when */
		heard: (when) => `Last heard: ${when}`,
		/** @param {string} count */
		vehicles: (count) => `${count} vehicles`,
		states: {
			/** @param {string} count */
			moving: (count) => `${count} moving`,
			/** @param {string} count */
			parked: (count) => `${count} parked`,
			/** @param {string} count */
			unknown: (count) => `${count} of unknown speed`,
			/** @param {string} count */
			silent: (count) => `${count} silent`,
		},
		/** @param {string} names @param {number} more */
		silent: (names, more) => `Silent: ${names}${more > 0 ? ` and ${more} more` : ""}`,
	},
	stack: {
		/** @param {number} count */
		title: (count) => (count === 1 ? "1 vehicle here" : `${count.toLocaleString(LANGUAGE)} vehicles here`),
		/** @param {number} count */
		more: (count) => `And ${count.toLocaleString(LANGUAGE)} more. Zoom in, or search.`,
		only: "Show only these",
		close: "Close the list of vehicles here",
		gone: "Gone",
		none: "No vehicle is at the middle of the map.",
	},
	view: {
		/** @param {number} count how many vehicles are listed */
		elsewhere: (count) =>
			count === 1
				? "The vehicle of the list is not in view."
				: `None of the ${count.toLocaleString(LANGUAGE)} vehicles of the list is in view.`,
		/** @param {number} count */
		showThem: (count) => (count === 1 ? "Show it" : "Show them"),
		/** @param {number} count */
		far: (count) =>
			count === 1
				? "One vehicle is far from the others, and out of view. “Show all” shows it too."
				: `${count} vehicles are far from the others, and out of view. “Show all” shows them too.`,
	},
};
