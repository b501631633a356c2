package simulator

import (
	"math"
	"time"
)

// radio is what becomes of a vehicle's reports.
type radio struct {
	state  radioState
	change time.Duration // when the state changes, at the next report
	end    time.Duration // when the vehicle falls silent for good; 0: never
	kept   []byte        // reports without a network, to be sent later
	keeps  time.Duration // when the next one is kept
}

type radioState uint8

const (
	online  radioState = iota
	offline            // no network: the modem keeps reports, and sends them later
	silent             // the modem is off: nobody learns where the vehicle was
)

const (
	keptEvery  = 4 * time.Second  // a modem without network keeps a report as often at most
	onlineMean = 70 * time.Minute // between two troubles
	doomed     = 0.015            // share of vehicles that fall silent for good
	doomedBy   = 8 * time.Hour
)

// tune sets up the radio of a vehicle.
func (f *Fleet) tune(v *vehicle) {
	v.radio.change = f.untilTrouble(v)
	if v.random.Float64() < doomed {
		v.radio.end = f.between(v, time.Minute, doomedBy)
	}
}

func (f *Fleet) untilTrouble(v *vehicle) time.Duration {
	return time.Duration(v.random.ExpFloat64() * float64(onlineMean))
}

// transmit appends what the hub gets to know of a vehicle now: usually one
// report, none in tunnels or without a network, many when that is back.
func (f *Fleet) transmit(v *vehicle, dst []byte) []byte {
	r := &v.radio
	if f.roads.inTunnel(v.hop, v.metres) {
		return dst
	}
	if v.at >= r.change {
		if r.state == offline {
			return f.reconnect(v, dst)
		}
		f.changeRadio(v)
	}
	switch {
	case r.state == online:
		dst = f.appendReport(dst, v)
	case r.state == offline && v.at >= r.keeps:
		r.keeps = v.at + keptEvery
		r.kept = f.appendReport(r.kept, v)
	}
	return dst
}

// changeRadio begins or ends a trouble.
func (f *Fleet) changeRadio(v *vehicle) {
	r := &v.radio
	switch {
	case r.state == silent:
		r.state, r.change = online, v.at+f.untilTrouble(v)
	case v.random.IntN(5) < 2:
		r.state, r.change = silent, v.at+f.between(v, time.Minute, 8*time.Minute)
	default:
		r.state, r.change, r.keeps = offline, v.at+f.between(v, 30*time.Second, 4*time.Minute), v.at
		if n := len(f.spare); n > 0 {
			r.kept, f.spare = f.spare[n-1], f.spare[:n-1]
		}
	}
}

// reconnect sends what was kept in time order. Some modems send the present
// before that, so that the hub gets the rest late.
func (f *Fleet) reconnect(v *vehicle, dst []byte) []byte {
	r := &v.radio
	kept := r.kept
	r.kept, r.state, r.change = nil, online, v.at+f.untilTrouble(v)
	if v.random.IntN(2) == 0 {
		dst = append(f.appendReport(dst, v), kept...)
	} else {
		dst = f.appendReport(append(dst, kept...), v)
	}
	f.spare = append(f.spare, kept[:0])
	return dst
}

// wander moves what the GPS is off by: slowly, so that it does not look like noise.
func (v *vehicle) wander(elapsed time.Duration) {
	const memory = 20.0 // seconds
	keep := math.Exp(-elapsed.Seconds() / memory)
	fresh := v.error * math.Sqrt(1-keep*keep)
	for i := range v.drift {
		v.drift[i] = keep*v.drift[i] + fresh*v.random.NormFloat64()
	}
}
