// client: Go's net/http, for measure.py.
//
//	client CA-FILE < "ID URL" lines     prints "ID whole BYTES" or "ID failed BYTES WHY"
package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

const limit = 10 * time.Second

func ask(client *http.Client, url string) (int64, error) {
	answer, err := client.Get(url)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	return io.Copy(io.Discard, answer.Body)
}

func main() {
	file, err := os.ReadFile(os.Args[1])
	roots := x509.NewCertPool()
	if err != nil || !roots.AppendCertsFromPEM(file) {
		fmt.Fprintln(os.Stderr, "client: no certificate in", os.Args[1])
		os.Exit(2)
	}
	client := &http.Client{Timeout: limit, Transport: &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: roots}}}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		cell := strings.Fields(lines.Text())
		bytes, err := ask(client, cell[1])
		if err != nil {
			fmt.Println(cell[0], "failed", bytes, strings.Join(strings.Fields(err.Error()), " "))
		} else {
			fmt.Println(cell[0], "whole", bytes)
		}
	}
}
