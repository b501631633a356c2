/** The page's read-only debugging object: see src/debug.js. */
interface Window {
	livemap: {
		vehicles(): import("../src/livemap.js").Feature[];
		status(): import("../src/livemap.js").Status;
		drawn(id: string): { left: number; top: number; state: string; guess: boolean } | null;
		clusters(): { count: number; left: number; top: number }[];
		frames(): number;
		trail(): number;
		idle(): boolean;
		project(lonLat: [number, number]): { x: number; y: number };
	};
}
