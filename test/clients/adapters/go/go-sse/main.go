// The client of github.com/tmaxmax/go-sse. It reconnects by itself, after the time that the hub names.
package main

import (
	"encoding/json"
	"log"
	"net/http"
	"os"
	"time"

	"github.com/tmaxmax/go-sse"
)

func main() {
	origin, token := os.Args[1], os.Args[2]
	request, err := http.NewRequest(http.MethodGet, origin+"/admin/events", nil)
	if err != nil {
		log.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	client := sse.Client{Backoff: sse.Backoff{InitialInterval: 200 * time.Millisecond, MaxInterval: time.Second}}
	connection := client.NewConnection(request)
	// Larger than websocket.maxMessageSize: by default, the package accepts events of at most 64 KiB.
	connection.Buffer(make([]byte, 0, 4096), 1<<20)
	lines := json.NewEncoder(os.Stdout)
	connection.SubscribeToAll(func(event sse.Event) {
		_ = lines.Encode(map[string]string{"event": event.Type, "data": event.Data, "id": event.LastEventID})
	})
	log.Fatal(connection.Connect())
}
