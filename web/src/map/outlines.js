/**
 * outlines.js draws the built-in base map on a 2-D canvas: land, waters, borders and names, from the tiles
 * that basemap-world.js styles for MapLibre.
 */
import { VectorTile } from "@mapbox/vector-tile";
import { PbfReader } from "pbf";
import { TEXTS } from "../texts.js";
import { MAX_ZOOM, graticule, retryFailed, tile } from "./basemap-atlas.js";
import { dark as darkColors, light as lightColors } from "./basemap-colors.js";
import { GRID_ZOOM } from "./basemap-world.js";

/** @typedef {import("./camera.js").Camera} Camera */

/**
 * What is drawn of a tile's shapes, from the bottom up: the layer, its colour as a fill and as a line, the
 * line's width in CSS pixels, and the zoom from which it is drawn.
 * @type {[string, {fill?: keyof Colors, line?: keyof Colors, width?: number, from?: number}][]}
 */
const SHAPES = [
	["land", { fill: "land", line: "coast", width: 0.7 }],
	["states", { line: "state", width: 0.8, from: 3 }],
	["rivers", { line: "river", width: 0.8, from: 3 }],
	["lakes", { fill: "water", line: "coast", width: 0.5 }],
	["borders", { line: "border", width: 0.9 }],
];
/** Names from the most to the least important: how they look, how early and at which zooms they are shown. */
const NAMES = /** @type {const} */ ([
	{ layer: "countries", font: "600 12px", colour: "country", early: 0.7, from: 0, upTo: 7.5 },
	{ layer: "places", font: "500 12px", colour: "city", early: 0, from: 3, upTo: 99 },
	{ layer: "seas", font: "italic 12px", colour: "sea", early: 0, from: 0, upTo: 8 },
]);
/** The zoom up to which a place has a dot. */
const DOTS_UP_TO = 12;
/** CSS pixels: around a name, and its height. */
const SPACE = 6;
const LABEL_HEIGHT = 14;
/** CSS pixels from a place to its name beyond a cluster. */
const FAR = 34;
/** The finest tiles of the file that loads first. */
const COARSE = 3;
/** The northern edge of the world's square, in degrees. */
const LIMIT = 85.051129;
/** Milliseconds until what could not be loaded is tried again. */
const RETRY_INTERVAL = 15_000;

/** @typedef {import("./basemap-colors.js").Colors} Colors */
/** @typedef {import("./labels.js").Box} Box CSS pixels */
/** @typedef {{name: string, rank: number, x: number, y: number}} Name */
/**
 * A tile's shapes and names by layer, in a square with sides of 1.
 * @typedef {{shapes: Map<string, Path2D>, names: Map<string, Name[]>}} Tile
 */

export class Outlines {
	#lib;
	#changed;
	#report;
	/** @type {Map<string, Tile | null>} null: not loaded yet */ #tiles = new Map();
	/** The names of the last `draw`: their boxes. @type {{name: string, box: Box}[]} */ #drawn = [];
	#loading = 0;
	/** @type {ReturnType<typeof setTimeout> | undefined} */ #retry;

	/**
	 * @param {string} lib the prefix of the data's URLs
	 * @param {() => void} changed is called when there is more to draw
	 * @param {(words: string) => void} report receives failures to load
	 */
	constructor(lib, changed, report) {
		this.#lib = lib;
		this.#changed = changed;
		this.#report = report;
	}

	/** Whether all that the last `draw` needed was there. */
	get complete() {
		return this.#loading === 0;
	}

	/**
	 * @param {CanvasRenderingContext2D} ctx
	 * @param {Camera} camera
	 * @param {number} ratio device pixels of a CSS pixel
	 * @param {boolean} dark
	 * @param {import("./map.js").Obstacle[]} obstacles to which names give way
	 */
	draw(ctx, camera, ratio, dark, obstacles) {
		const colours = dark ? darkColors : lightColors;
		ctx.setTransform(1, 0, 0, 1, 0, 0);
		ctx.fillStyle = colours.water;
		ctx.fillRect(0, 0, ctx.canvas.width, ctx.canvas.height);
		ctx.lineJoin = "round";
		const visible = this.#visible(camera);
		for (const [layer, { fill, line, width = 1, from = 0 }] of SHAPES) {
			for (const { tile, left, top, size } of camera.zoom < from ? [] : visible) {
				const path = tile.shapes.get(layer);
				if (!path) continue;
				const scale = ratio * size;
				ctx.save();
				ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
				ctx.beginPath();
				// Half a pixel more, so that no seam is seen between the tiles.
				ctx.rect(left - 0.5, top - 0.5, size + 1, size + 1);
				ctx.clip();
				ctx.setTransform(scale, 0, 0, scale, left * ratio, top * ratio);
				if (fill) {
					ctx.fillStyle = colours[fill];
					ctx.fill(path);
				}
				if (line) {
					ctx.strokeStyle = colours[line];
					ctx.lineWidth = (width * ratio) / scale;
					ctx.stroke(path);
				}
				ctx.restore();
			}
		}
		ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
		if (camera.zoom >= GRID_ZOOM) this.#grid(ctx, camera, colours);
		this.#names(ctx, camera, visible, colours, obstacles);
	}

	/**
	 * The tiles in view, the coarser first, and where they are in CSS pixels, in each copy of the world.
	 * @param {Camera} camera
	 */
	#visible(camera) {
		const { width, height, world } = camera;
		const z = Math.max(0, Math.min(MAX_ZOOM, Math.floor(camera.zoom)));
		const origin = camera.project([-180, LIMIT]); // the world's corner in the middle copy
		const size = world / 2 ** z;
		/** @type {Map<string, {tile: Tile, z: number, left: number, top: number, size: number}>} */
		const found = new Map();
		for (let x = Math.floor(-origin.x / size); origin.x + x * size < width; x++) {
			for (let y = Math.max(0, Math.floor(-origin.y / size)); y < 2 ** z; y++) {
				if (origin.y + y * size >= height) break;
				const copy = Math.floor(x / 2 ** z);
				const own = this.#loaded(z, x - copy * 2 ** z, y);
				if (own === null) continue;
				const wide = world / 2 ** own.z;
				found.set([own.z, own.x, own.y, copy].join(), {
					tile: own.tile,
					z: own.z,
					left: origin.x + copy * world + own.x * wide,
					top: origin.y + own.y * wide,
					size: wide,
				});
			}
		}
		return [...found.values()].sort((a, b) => a.z - b.z);
	}

	/**
	 * A tile, or while it is not there the one of COARSE that holds it.
	 * @param {number} z @param {number} x @param {number} y
	 * @returns {{tile: Tile, z: number, x: number, y: number} | null}
	 */
	#loaded(z, x, y) {
		const key = [z, x, y].join();
		const tile = this.#tiles.get(key);
		if (tile === undefined) {
			this.#load(key, z, x, y);
		}
		if (tile) return { tile, z, x, y };
		const finer = z - COARSE;
		return finer > 0 ? this.#loaded(COARSE, x >> finer, y >> finer) : null;
	}

	/** @param {string} key @param {number} z @param {number} x @param {number} y */
	async #load(key, z, x, y) {
		this.#tiles.set(key, null);
		this.#loading++;
		try {
			this.#tiles.set(key, decoded(await tile(this.#lib, z, x, y)));
		} catch (error) {
			this.#failed(error);
		} finally {
			this.#loading--;
			this.#changed();
		}
	}

	/** Reports what cannot be loaded, and tries again after a while. @param {unknown} error */
	#failed(error) {
		if (this.#retry !== undefined) return;
		this.#report(TEXTS.map.noBaseMap(error instanceof Error ? error.message : error));
		this.#retry = setTimeout(() => {
			this.#retry = undefined;
			retryFailed();
			this.#report("");
			for (const [key, tile] of this.#tiles) if (tile === null) this.#tiles.delete(key);
			this.#changed();
		}, RETRY_INTERVAL);
	}

	/** The names that were drawn in a box. @param {Box} box */
	namesIn(box) {
		return this.#drawn.filter((drawn) => overlap(drawn.box, box, 0)).map(({ name }) => name);
	}

	/** @param {CanvasRenderingContext2D} ctx @param {Camera} camera @param {Colors} colours */
	#grid(ctx, camera, colours) {
		ctx.strokeStyle = colours.grid;
		ctx.lineWidth = 1;
		for (const { geometry, properties } of graticule(camera.bounds(), camera.zoom).features) {
			const [from, to] = /** @type {import("geojson").LineString} */ (geometry).coordinates.map((at) =>
				camera.project([at[0], at[1]]),
			);
			ctx.globalAlpha = properties?.strong ? 1 : 0.55;
			ctx.beginPath();
			ctx.moveTo(from.x, from.y);
			ctx.lineTo(to.x, to.y);
			ctx.stroke();
		}
		ctx.globalAlpha = 1;
	}

	/**
	 * Draws names where they cover no more important one, and nothing that is drawn over them.
	 * @param {CanvasRenderingContext2D} ctx @param {Camera} camera
	 * @param {{tile: Tile, left: number, top: number, size: number}[]} visible @param {Colors} colours
	 * @param {import("./map.js").Obstacle[]} obstacles
	 */
	#names(ctx, camera, visible, colours, obstacles) {
		const { zoom, width, height } = camera;
		const boxes = obstacles.map(({ at, width, height }) => {
			const { x, y } = camera.project(at);
			return around(x - width / 2, y, width, height);
		});
		this.#drawn = [];
		ctx.lineWidth = 3;
		ctx.textBaseline = "middle";
		ctx.textAlign = "left";
		for (const { layer, font, colour, early, from, upTo } of NAMES) {
			if (zoom < from || zoom >= upTo) continue;
			ctx.font = `${font} system-ui, sans-serif`;
			const dots = layer === "places" && zoom < DOTS_UP_TO;
			const names = visible
				.flatMap(({ tile, left, top, size }) =>
					(tile.names.get(layer) ?? []).map(({ name, rank, x, y }) => ({
						name,
						rank,
						x: left + x * size,
						y: top + y * size,
					})),
				)
				.filter(({ rank, x, y }) => rank <= zoom + early && x > 0 && y > 0 && x < width && y < height)
				.sort((a, b) => a.rank - b.rank);
			for (const { name, x, y } of names) {
				const wide = ctx.measureText(name).width;
				const at = beside(x, y, wide, dots).find(([left, middle]) => {
					const box = around(left, middle, wide, LABEL_HEIGHT);
					const free = !boxes.some((other) => overlap(box, other, SPACE));
					if (free) {
						boxes.push(box);
						this.#drawn.push({ name, box });
					}
					return free;
				});
				if (!at) continue;
				if (dots) {
					ctx.beginPath();
					ctx.arc(x, y, 2, 0, 7);
					ctx.fillStyle = colours.dot;
					ctx.fill();
				}
				ctx.strokeStyle = layer === "seas" ? colours.water : colours.land;
				ctx.fillStyle = colours[colour];
				ctx.strokeText(name, ...at);
				ctx.fillText(name, ...at);
			}
		}
	}
}

/**
 * A box by its left middle.
 * @param {number} left @param {number} y @param {number} wide @param {number} high
 */
const around = (left, y, wide, high) => ({
	left,
	top: y - high / 2,
	right: left + wide,
	bottom: y + high / 2,
});

/** Whether boxes overlap, or are not so far apart. @param {Box} a @param {Box} b @param {number} space */
const overlap = (a, b, space) =>
	Math.max(a.left - b.right, b.left - a.right, a.top - b.bottom, b.top - a.bottom) < space;

/**
 * Where the left middle of a name may be, the best first. A place that a cluster covers has its name farther
 * away.
 * @param {number} x @param {number} y of its place @param {number} wide @param {boolean} dots
 * @returns {[number, number][]}
 */
function beside(x, y, wide, dots) {
	const centred = x - wide / 2;
	return dots
		? [SPACE, FAR].flatMap((away) => [
				[x + away, y],
				[x - away - wide, y],
				[centred, y + away + LABEL_HEIGHT / 2],
				[centred, y - away - LABEL_HEIGHT / 2],
			])
		: [[centred, y]];
}

/**
 * Reads a tile (Mapbox Vector Tile specification 2.1).
 * @param {ArrayBuffer} bytes
 * @returns {Tile}
 */
function decoded(bytes) {
	const { layers } = new VectorTile(new PbfReader(new Uint8Array(bytes)));
	/** @type {Tile} */
	const tile = { shapes: new Map(), names: new Map() };
	for (const [name, layer] of Object.entries(layers)) {
		const features = Array.from({ length: layer.length }, (_, i) => layer.feature(i));
		if (NAMES.some((names) => names.layer === name)) {
			tile.names.set(
				name,
				features.map((feature) => {
					const [[{ x, y }]] = feature.loadGeometry();
					const { name, rank } = /** @type {any} */ (feature.properties);
					return { name, rank, x: x / layer.extent, y: y / layer.extent };
				}),
			);
			continue;
		}
		const path = new Path2D();
		for (const feature of features) {
			for (const [first, ...rest] of feature.loadGeometry()) {
				path.moveTo(first.x / layer.extent, first.y / layer.extent);
				for (const { x, y } of rest) path.lineTo(x / layer.extent, y / layer.extent);
			}
		}
		tile.shapes.set(name, path);
	}
	return tile;
}
