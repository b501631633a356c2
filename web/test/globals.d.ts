/** The page's read-only debugging object: see src/debug.js. */
interface Window {
	livemap: {
		vehicles(): import("../src/livemap.js").Feature[];
		status(): import("../src/livemap.js").Status;
		drawn(id: string): { left: number; top: number; state: string; guess: boolean } | null;
		clusters(): { count: number; silent: number; left: number; top: number; radius: number }[];
		labels(): ({ id: string; lines: string[] } & import("../src/map/labels.js").Box)[];
		namesIn(box: import("../src/map/labels.js").Box): string[];
		frames(): number;
		trail(): number;
		idle(): boolean;
		project(lonLat: [number, number]): { x: number; y: number };
	};
}
