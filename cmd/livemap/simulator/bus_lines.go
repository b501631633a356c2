package simulator

import "strconv"

// busLine is a bus line: its route leads there and back again, and repeats.
type busLine struct {
	name  string
	route []hop
}

// busesPerLine is about how many buses a line has.
const busesPerLine = 6

// line chooses the line of a bus. It lays out a new one if the city has too few.
func (f *Fleet) line(v *vehicle) busLine {
	lines := f.lines[v.home]
	most := realLines
	if !v.city {
		most = min(4+int(cities[v.home].people/150), 30)
	}
	if len(lines) < most && (len(lines) == 0 || v.random.IntN(busesPerLine) == 0) {
		lines = append(lines, f.layOut(v.home, len(lines)))
		f.lines[v.home] = lines
		return lines[len(lines)-1]
	}
	return lines[v.random.IntN(len(lines))]
}

// layOut lays a line from one side of the city through its middle to another.
func (f *Fleet) layOut(city int32, number int) busLine {
	random := chance(uint64(city)<<32|uint64(number), 3)
	crossings := f.roads.streets[city] // from the centre outwards
	outer := func() int32 { return crossings[len(crossings)/3+random.IntN(len(crossings)-len(crossings)/3)] }
	from, by, to := outer(), crossings[random.IntN(len(crossings)/6+1)], outer()
	route := f.paths.find(from, by, nowhere, nil)
	if len(route) > 0 {
		route = f.paths.find(by, to, route[len(route)-1].reversed(), route)
	} else {
		route = f.paths.find(by, to, nowhere, route)
	}
	if len(route) == 0 {
		route = append(route, f.roads.leaving(from)[0])
	}
	if city == realCity { // with one-ways, the way back is another
		route = f.paths.find(f.roads.end(route[len(route)-1]), from, route[len(route)-1].reversed(), route)
		f.addStops(route)
	} else {
		for i := len(route) - 1; i >= 0; i-- {
			route = append(route, route[i].reversed())
		}
	}
	return busLine{name: strconv.Itoa(100 + 10*number + random.IntN(10)), route: route}
}
