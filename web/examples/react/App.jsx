import { memo, useSyncExternalStore } from "react";
import { vehicleStore } from "./vehicles.js";

const store = vehicleStore({ hub: "https://localhost:4433" });

// A row is drawn again when its vehicle has a new Feature.
const Row = memo(({ feature: { id, properties } }) => (
	<li>{`${id}: ${properties.speed_kmh ?? "?"} km/h`}</li>
));

export default function App() {
	const { vehicles, status } = useSyncExternalStore(store.subscribe, store.getSnapshot);
	return (
		<>
			<p>{`${status.phase}: ${vehicles.length} vehicles`}</p>
			<ul>
				{vehicles.slice(0, 100).map((feature) => (
					<Row key={feature.id} feature={feature} />
				))}
			</ul>
		</>
	);
}
