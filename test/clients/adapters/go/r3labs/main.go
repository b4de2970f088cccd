// The client of github.com/r3labs/sse. It returns at the end of a stream, and keeps the last id for the next call.
package main

import (
	"encoding/json"
	"os"
	"time"

	"github.com/r3labs/sse/v2"
	"gopkg.in/cenkalti/backoff.v1"
)

const retry = 200 * time.Millisecond

func main() {
	origin, token := os.Args[1], os.Args[2]
	// Larger than websocket.maxMessageSize: by default, the package accepts events of at most 64 KiB.
	client := sse.NewClient(origin+"/admin/events", sse.ClientMaxBufferSize(1<<20))
	client.Headers["Authorization"] = "Bearer " + token
	client.ReconnectStrategy = backoff.NewConstantBackOff(retry)
	lines := json.NewEncoder(os.Stdout)
	for {
		_ = client.SubscribeRaw(func(event *sse.Event) {
			// The package takes the bytes after the last complete event of a lost connection for an event. A heartbeat
			// in these bytes becomes an event without data, with the last id. The standard says to discard the bytes.
			if len(event.Data) == 0 {
				return
			}
			_ = lines.Encode(map[string]string{"event": string(event.Event), "data": string(event.Data), "id": string(event.ID)})
		})
		time.Sleep(retry)
	}
}
