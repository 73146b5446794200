package client

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"rouse.dev/rouse/api"
)

// Health asks whether the server is up. It needs no account.
func (c *Client) Health(ctx context.Context) (api.Health, error) {
	return get[api.Health](ctx, c, http.MethodGet, "/healthz", nil)
}

// Info describes the server.
func (c *Client) Info(ctx context.Context) (api.Info, error) {
	return get[api.Info](ctx, c, http.MethodGet, "/v1/info", nil)
}

// Runtimes lists what functions can be written in.
func (c *Client) Runtimes(ctx context.Context) ([]api.Runtime, error) {
	out, err := get[api.RuntimeList](ctx, c, http.MethodGet, "/v1/runtimes", nil)
	return out.Runtimes, err
}

// Doctor says what the server's host gives it.
func (c *Client) Doctor(ctx context.Context) (api.DoctorReport, error) {
	return get[api.DoctorReport](ctx, c, http.MethodGet, "/v1/doctor", nil)
}

// Config lists the server's configuration in force.
func (c *Client) Config(ctx context.Context) ([]api.Setting, error) {
	out, err := get[api.SettingList](ctx, c, http.MethodGet, "/v1/config", nil)
	return out.Settings, err
}

// Backup writes a consistent copy of all state to w and returns its size. On
// an error what was written is not a backup.
func (c *Client) Backup(ctx context.Context, w io.Writer) (int64, error) {
	resp, err := c.send(ctx, http.MethodPost, "/v1/backup", nil, nil, "")
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	n, err := io.Copy(w, resp.Body)
	if err != nil {
		return n, fmt.Errorf("receiving the backup: %w", err)
	}
	return n, nil
}

// Restore makes the server's state that of a backup. Without replace the
// server must have no functions.
func (c *Client) Restore(ctx context.Context, backup io.Reader, replace bool) (api.BackupInfo, error) {
	query := url.Values{}
	if replace {
		query.Set("replace", "true")
	}
	var out api.BackupInfo
	resp, err := c.send(ctx, http.MethodPost, "/v1/restore", query, backup, "application/octet-stream")
	if err != nil {
		return out, err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil {
		return out, fmt.Errorf("reading the server's answer: %w", err)
	}
	return out, nil
}
