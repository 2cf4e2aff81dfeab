// Calls an API again and again with the token in a file. It contains no OAuth: tokensource keeps the file fresh. It needs
// the standard library only.
//
// SSL_CERT_FILE names the PEM file of a private authority.
package main

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"
)

var client = &http.Client{Timeout: 30 * time.Second}

// ask sends one request, with the token that is in the file now.
func ask(api, file string) (int, error) {
	// Open the file by its name for each use. The kubelet replaces the directory behind the name, so a file that is
	// kept open, or a value that is kept in memory, stays old.
	token, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	request, err := http.NewRequest(http.MethodGet, api, nil)
	if err != nil {
		return 0, err
	}
	request.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	response, err := client.Do(request)
	if err != nil {
		return 0, err
	}
	return response.StatusCode, response.Body.Close()
}

// call sends a request, and one more after a 401: the token may have been replaced between reading and sending.
func call(api, file string) (int, error) {
	status, err := ask(api, file)
	if err == nil && status == http.StatusUnauthorized {
		return ask(api, file)
	}
	return status, err
}

func main() {
	api, file := os.Getenv("API_URL"), os.Getenv("TOKEN_FILE")
	interval, err := time.ParseDuration(os.Getenv("INTERVAL_SECONDS") + "s")
	if err != nil || api == "" || file == "" {
		fmt.Println("API_URL, TOKEN_FILE and INTERVAL_SECONDS must be set")
		os.Exit(2)
	}
	for ; ; time.Sleep(interval) {
		if status, err := call(api, file); err != nil {
			fmt.Println("failed:", err)
		} else {
			fmt.Println(status)
		}
	}
}
