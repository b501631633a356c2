// A reporter for `node --test` that writes results as `go test -json` does, one JSON object in a line.

import { relative } from "node:path";

/** @param {AsyncIterable<{type: string, data: any}>} events */
export default async function* reporter(events) {
	for await (const { type, data } of events) {
		if (type !== "test:pass" && type !== "test:fail") continue;
		// A suite, and a test that fails because of one in it, is counted by what is in it.
		if (data.details.type === "suite" || data.details.error?.failureType === "subtestsFailed") continue;
		const skipped = data.skip ?? data.todo; // true where no reason was given
		const result = {
			Action: skipped !== undefined ? "skip" : type === "test:pass" ? "pass" : "fail",
			Package: relative(".", data.file ?? ""),
			Test: data.name,
			Reason: typeof skipped === "string" ? skipped : undefined,
		};
		yield `${JSON.stringify(result)}\n`;
	}
}
