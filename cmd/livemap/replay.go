package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"livemap/cmd/livemap/client"
	"livemap/cmd/livemap/recording"
)

// replayCmd publishes recordings to a hub.
type replayCmd struct {
	Files   []string       `arg:"" name:"file"`
	To      client.Address `default:"http://127.0.0.1:9801"`
	Speed   float64        `default:"1"`
	Restamp bool
	MaxGap  time.Duration `default:"1m"`

	KeepOutliers bool
	Every        time.Duration
	Zone         zone `placeholder:"ZONE"`
	hubFlags
}

// replayHelp has the help texts of replayCmd.
var replayHelp = helpTexts{
	"file": "Recordings: NDJSON or other JSON, CSV with a header, or GPX, each plain, gzipped or in a zip " +
		"archive; - is standard input.",
	"max-gap": "The longest wait between two positions, at the chosen speed. replay skips the rest of a " +
		"longer gap, and says so. 0 skips none.",
	"keep-outliers": "Play also positions whose times are over a year from those of most positions in their " +
		"file.",
	"every": "The time between two positions of a recording without times, such as 1s; --speed divides it. " +
		"The hub gives each the time of its arrival.",
	"zone": "The zone of times in CSV that have none: a name such as Europe/Berlin, UTC, or an offset such as " +
		"+02:00.",
	"speed": "Play N times as fast as recorded; 0 is as fast as the hub acknowledges.",
	"restamp": "Move the recording to now. The first position gets the current time; --speed divides the time " +
		"between positions. With --speed 0, each position gets the time at which it is sent.",
}

// Help returns what --help adds to the flags.
func (c *replayCmd) Help() string {
	return `The first character of a file decides how it is read, and the names of columns; where they say
nothing, its extension does: .ndjson, .jsonl, .json, .geojson, .csv or .gpx, each also with .gz. The files
in a zip archive are recordings too. replay names those that are not, and plays the rest.

NDJSON has a position object or GeoJSON Feature on each line. The output of 'livemap tail' into a pipe is
such a recording. An array, a FeatureCollection such as the answer of /snapshot, and JSON over several lines
are read as well.

CSV needs the columns lat (latitude) and lon (lng, longitude). It may have vehicle_id (device, id), timestamp
(time, date), speed_kmh, heading (course, bearing), altitude (alt, elevation), accuracy and topics (separated
by semicolons). A file without vehicles has the vehicle of its name. Commas, semicolons, tabs or vertical bars
separate columns, and decimal commas are understood.

Other columns are published under their names, as numbers where no digit is lost. An empty field is an absent
member. No units are guessed: "speed (mph)" says its own, and the columns of GPSLogger, Traccar and Columbus
are known. A time without a zone is rejected, unless --zone names the zone or its column is called UTC. Where
clocks are put back, a time that comes twice is the first; where they are put forward, one that does not
exist counts on from before.

Text is UTF-8 or UTF-16, or what an XML declaration says; bytes that are not UTF-8 are read as windows-1252.

GPX publishes its track points. The vehicle's name is the track's <name>, else that of the file. Speeds are
converted from m/s, and times without a zone are UTC. GPX and CSV have speeds and headings below 0 for those
that are not known; they are left out.

Positions are published in time order over all files. A file that is not in time order is sorted in memory.
Standard input and pipes are published in the order of arrival. Unreadable positions are not skipped: the hub
rejects them, and replay counts and names them.

While the hub is away, for example during a restart, replay waits and then goes on. Positions that it sends
again count as duplicate or late.

Positions without a time are left out and counted where others in their file have one: the hub would take
them for the newest. So are positions whose times are over a year from those of most in their file, unless
--keep-outliers. A file in which no position has a time needs --every or --speed 0. On standard input and
pipes all are published; what has no time gets that of its arrival.

At the chosen speed, replay waits at most --max-gap for the next position, and skips the rest of a longer gap.
So a night without positions takes a minute, and one wrong time does not stop the replay for years.

Exit status: 0 if the hub rejected no position, or after SIGINT or SIGTERM; 1 if it rejected some, if
positions were left out, if a file has nothing to play, such as waypoints only, or if the replay had to stop;
2 for a mistake in the call, with nothing published. A missing file and a file that is not a recording are
such mistakes.`
}

// Validate checks the flags; kong calls it.
func (c *replayCmd) Validate() error {
	if !(c.Speed >= 0) || math.IsInf(c.Speed, 0) {
		return fmt.Errorf("--speed: %v is not a speed; it must be 0 or more, such as 1, 60 or 0.5", c.Speed)
	}
	if c.MaxGap < 0 {
		return fmt.Errorf("--max-gap: %s is not a wait; it must be more than 0, such as 1m, or 0 to skip no gap",
			shortDuration(c.MaxGap))
	}
	if c.Every < 0 {
		return fmt.Errorf("--every: %s is no time between positions; it must be more than 0, such as 1s",
			shortDuration(c.Every))
	}
	return nil
}

// Run replays until the end of the recordings or of ctx.
func (c *replayCmd) Run(ctx context.Context, std streams) error {
	transport, err := c.transport(c.To)
	if err != nil {
		return err
	}
	defer transport.CloseIdleConnections()
	recordings, err := c.options().Open(c.Files, std.in)
	if err != nil {
		return usageError{err}
	}
	screen := newProgress(std.err, recordings.Total())
	p := newPlayer(c.hub(c.To, transport), screen)
	for _, line := range recordings.NotRecordings() {
		screen.notice("livemap: %s", client.Printable(line))
	}
	err = c.play(ctx, recordings, p)
	if err == nil && ctx.Err() == nil { // it is read to its end
		err = errors.Join(recordings.Empty(), recordings.LeftOut())
	}
	screen.clear()
	return c.conclude(ctx, std, p, err)
}

func (c *replayCmd) options() recording.Options {
	return recording.Options{KeepOutliers: c.KeepOutliers, Every: c.Every, NeedTimes: c.Speed > 0,
		Zone: c.Zone.Location}
}

// play publishes the records when they are due, until the end.
func (c *replayCmd) play(ctx context.Context, recordings *recording.Playlist, p *player) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	t := &timetable{speed: c.Speed, restamp: c.Restamp, maxGap: c.MaxGap, skipped: p.skip, waits: p.waits,
		queue: readAhead(ctx, recordings)}
	for {
		batch, err := t.due(ctx)
		if len(batch) == 0 || err != nil {
			return err
		}
		if err := p.publish(ctx, batch); err != nil {
			return err
		}
	}
}

// conclude writes the summary, and returns the error that decides on the exit status.
func (c *replayCmd) conclude(ctx context.Context, std streams, p *player, err error) error {
	if n := p.sum.Rejected - p.shown; n > 0 {
		fmt.Fprintf(std.err, "livemap: and %d more were rejected\n", n)
	}
	if n := p.skips - noticesShown; n > 0 {
		fmt.Fprintf(std.err, "livemap: and %d more gaps were skipped\n", n)
	}
	fmt.Fprintln(std.out, counts(p.sum))
	switch {
	case ctx.Err() != nil:
		fmt.Fprintln(std.err, "livemap: stopped before the end of the recording")
		return nil
	case err != nil:
		return err
	case p.sum.Rejected > 0:
		return fmt.Errorf("%d of %d positions were rejected", p.sum.Rejected, p.sum.Total())
	}
	return nil
}

// queuedRecord is a record, or the error that ended the recordings.
type queuedRecord struct {
	recording.Record
	err error
}

// readAhead reads the recordings on a goroutine of its own. The timetable sees without waiting which
// records are read. The goroutine ends with the recordings or with ctx, on standard input
// only when a read that is under way returns.
func readAhead(ctx context.Context, recordings *recording.Playlist) <-chan queuedRecord {
	queue := make(chan queuedRecord, maxBatch)
	go func() {
		defer close(queue)
		defer recordings.Close()
		for {
			rec, err := recordings.Next()
			if errors.Is(err, io.EOF) {
				return
			}
			select {
			case queue <- queuedRecord{rec, err}:
			case <-ctx.Done():
				return
			}
			if err != nil {
				return
			}
		}
	}()
	return queue
}

// Limits of one request.
const (
	maxBatch      = 500     // positions
	maxBatchBytes = 1 << 20 // bytes, which the last position may exceed
)
