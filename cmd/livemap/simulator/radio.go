package simulator

import (
	"math"
	"time"
)

// radio is the modem that sends a vehicle's reports, keeps them or drops them.
type radio struct {
	state  radioState
	change time.Duration // when the state changes, at the next report
	end    time.Duration // when the vehicle falls silent for good; 0 is never
	kept   []byte        // reports that wait for a network
	keeps  time.Duration // when the next report is kept
}

type radioState uint8

const (
	online  radioState = iota
	offline            // no network: the modem keeps reports and sends them later
	silent             // the modem is off: these reports are never sent
)

const (
	keptEvery  = 4 * time.Second  // between the reports that a modem without network keeps
	onlineMean = 70 * time.Minute // from one outage to the next
	doomed     = 0.015            // share of the vehicles that fall silent for good
	doomedBy   = 8 * time.Hour
)

// tune sets up the radio of a vehicle.
func (f *Fleet) tune(v *vehicle) {
	v.radio.change = f.untilOutage(v)
	if v.random.Float64() < doomed {
		v.radio.end = f.between(v, time.Minute, doomedBy)
	}
}

func (f *Fleet) untilOutage(v *vehicle) time.Duration {
	return time.Duration(v.random.ExpFloat64() * float64(onlineMean))
}

// transmit appends the reports that a vehicle sends now: usually one, none in a tunnel or
// without a network, many when the network is back.
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

// changeRadio begins or ends an outage.
func (f *Fleet) changeRadio(v *vehicle) {
	r := &v.radio
	switch {
	case r.state == silent:
		r.state, r.change = online, v.at+f.untilOutage(v)
	case v.random.IntN(5) < 2:
		r.state, r.change = silent, v.at+f.between(v, time.Minute, 8*time.Minute)
	default:
		r.state, r.change, r.keeps = offline, v.at+f.between(v, 30*time.Second, 4*time.Minute), v.at
		if n := len(f.spare); n > 0 {
			r.kept, f.spare = f.spare[n-1], f.spare[:n-1]
		}
	}
}

// reconnect sends the kept reports in time order. Every other time the modem sends the present
// report before them, so that the hub receives the kept ones late.
func (f *Fleet) reconnect(v *vehicle, dst []byte) []byte {
	r := &v.radio
	kept := r.kept
	r.kept, r.state, r.change = nil, online, v.at+f.untilOutage(v)
	if v.random.IntN(2) == 0 {
		dst = append(f.appendReport(dst, v), kept...)
	} else {
		dst = f.appendReport(append(dst, kept...), v)
	}
	f.spare = append(f.spare, kept[:0])
	return dst
}

// wander changes the error of the GPS, slowly, so that it does not look like noise.
func (v *vehicle) wander(elapsed time.Duration) {
	const memory = 20.0 // seconds
	keep := math.Exp(-elapsed.Seconds() / memory)
	fresh := v.error * math.Sqrt(1-keep*keep)
	for i := range v.drift {
		v.drift[i] = keep*v.drift[i] + fresh*v.random.NormFloat64()
	}
}
